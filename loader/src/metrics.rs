//! What a loader counts and measures.

use std::time::Duration;

use paystats_core::{
    bus::WorkKind,
    load::{Counts, LoadEntity, LoadState, RejectionCode, RejectionCount},
    metrics::{Durations, durations},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The metrics of one loader. All that can be counted is there from the start, at 0: a first failure is an increase.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    rows: Family<Rows, Counter>,
    rejections: Family<Rejections, Counter>,
    read_bytes: Family<Entity, Counter>,
    loads_ended: Family<Ended, Counter>,
    work: Family<Work, Counter>,
    redeliveries: Family<Kind, Counter>,
    in_hand: Family<Kind, Gauge>,
    work_seconds: WorkSeconds,
}

#[derive(Clone, Debug)]
struct WorkSeconds(Durations<Kind>);

impl Default for WorkSeconds {
    fn default() -> Self {
        Self(durations())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rows {
    entity: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejections {
    entity: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Entity {
    entity: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    entity: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Work {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// What became of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkOutcome {
    /// It is done.
    Done,
    /// It goes back to the queue.
    Again,
    /// Its load is given up.
    Failed,
    /// Another worker has it.
    NotOurs,
}

impl WorkOutcome {
    const ALL: [Self; 4] = [Self::Done, Self::Again, Self::Failed, Self::NotOurs];

    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Again => "again",
            Self::Failed => "failed",
            Self::NotOurs => "not_ours",
        }
    }
}

impl Metrics {
    /// All of them, by their names.
    pub fn registry(&self) -> Registry {
        self.begin_at_zero();
        let mut registry = Registry::default();
        registry.register(
            "paystats_loader_rows",
            "Rows, by what became of them; not those of dry runs",
            self.rows.clone(),
        );
        registry.register(
            "paystats_loader_rejections",
            "Refused rows, by what is wrong with them; not those of dry runs",
            self.rejections.clone(),
        );
        registry.register(
            "paystats_loader_read_bytes",
            "Bytes of sources whose rows were written",
            self.read_bytes.clone(),
        );
        registry.register(
            "paystats_loader_loads_ended",
            "Loads that ended here, by their last state",
            self.loads_ended.clone(),
        );
        registry.register("paystats_loader_work", "Work that was taken, by what became of it", self.work.clone());
        registry.register(
            "paystats_loader_redeliveries",
            "Work that had been given out before",
            self.redeliveries.clone(),
        );
        registry.register("paystats_loader_work_in_hand", "Work that is being done", self.in_hand.clone());
        registry.register(
            "paystats_loader_work_duration_seconds",
            "What a piece of work took, with all waiting for engines",
            self.work_seconds.0.clone(),
        );
        registry
    }

    fn begin_at_zero(&self) {
        for entity in [LoadEntity::PostalCodes, LoadEntity::Paystats] {
            self.wrote(entity, Counts::default(), 0);
            for code in RejectionCode::ALL {
                self.rejected(entity, code, 0);
            }
            for state in [LoadState::Succeeded, LoadState::Failed, LoadState::Cancelled, LoadState::Undone] {
                drop(self.loads_ended.get_or_create(&Ended { entity: entity.name(), state: state.name() }));
            }
        }
        for kind in WorkKind::ALL {
            let kind = Kind { kind: kind.name() };
            for outcome in WorkOutcome::ALL {
                drop(self.work.get_or_create(&Work { kind: kind.kind, outcome: outcome.name() }));
            }
            drop(self.redeliveries.get_or_create(&kind));
            drop(self.in_hand.get_or_create(&kind));
            drop(self.work_seconds.0.get_or_create(&kind));
        }
    }

    /// These rows are in the store, or refused, and so many bytes of the source are done.
    pub fn wrote(&self, entity: LoadEntity, rows: Counts, bytes: u64) {
        let entity = entity.name();
        let Counts { inserted, updated, unchanged, rejected } = rows;
        let outcomes = [("inserted", inserted), ("updated", updated), ("unchanged", unchanged), ("rejected", rejected)];
        for (outcome, rows) in outcomes {
            self.rows.get_or_create(&Rows { entity, outcome }).inc_by(rows);
        }
        self.read_bytes.get_or_create(&Entity { entity }).inc_by(bytes);
    }

    /// As many rows are refused as `after` has more than `before`.
    pub fn rejected_between(&self, entity: LoadEntity, before: &[RejectionCount], after: &[RejectionCount]) {
        for count in after {
            let known = before.iter().find(|known| known.code == count.code && known.column == count.column);
            self.rejected(entity, count.code, count.count - known.map_or(0, |known| known.count));
        }
    }

    fn rejected(&self, entity: LoadEntity, code: RejectionCode, rows: u64) {
        self.rejections.get_or_create(&Rejections { entity: entity.name(), code: code.name() }).inc_by(rows);
    }

    /// A load has ended.
    pub fn ended(&self, entity: LoadEntity, state: LoadState) {
        self.loads_ended.get_or_create(&Ended { entity: entity.name(), state: state.name() }).inc();
    }

    /// A worker takes work of this kind, which was given out `attempt` times; it has it as long as what this returns is held.
    pub fn takes(&self, kind: WorkKind, attempt: i64) -> InHand {
        let kind = Kind { kind: kind.name() };
        if attempt > 1 {
            self.redeliveries.get_or_create(&kind).inc();
        }
        let in_hand = self.in_hand.get_or_create_owned(&kind);
        in_hand.inc();
        InHand(in_hand)
    }

    /// A piece of work took so long, and this became of it.
    pub fn worked(&self, kind: WorkKind, outcome: WorkOutcome, took: Duration) {
        let kind = kind.name();
        self.work.get_or_create(&Work { kind, outcome: outcome.name() }).inc();
        self.work_seconds.0.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
    }
}

/// A piece of work that is counted as being done.
#[derive(Debug)]
pub struct InHand(Gauge);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn everything_is_there_before_anything_happens() {
        let text = text(&Metrics::default().registry());
        for line in [
            "paystats_loader_rows_total{entity=\"PAYSTATS\",outcome=\"updated\"} 0",
            "paystats_loader_rejections_total{entity=\"POSTAL_CODES\",code=\"INVALID_GEOMETRY\"} 0",
            "paystats_loader_loads_ended_total{entity=\"PAYSTATS\",state=\"FAILED\"} 0",
            "paystats_loader_work_total{kind=\"chunk\",outcome=\"again\"} 0",
            "paystats_loader_redeliveries_total{kind=\"plan\"} 0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} in {text}");
        }
    }

    #[test]
    fn of_a_growing_count_only_what_is_new_is_counted() {
        let (metrics, entity) = (Metrics::default(), LoadEntity::Paystats);
        let registry = metrics.registry();
        let count = |code, count| RejectionCount { code, column: Some("amount".to_owned()), count };
        let (amount, month) = (RejectionCode::InvalidAmount, RejectionCode::InvalidMonth);
        metrics.rejected_between(entity, &[], &[count(amount, 2)]);
        metrics.rejected_between(entity, &[count(amount, 2)], &[count(amount, 5), count(month, 1)]);
        let text = text(&registry);
        assert!(text.contains("{entity=\"PAYSTATS\",code=\"INVALID_AMOUNT\"} 5\n"), "{text}");
        assert!(text.contains("{entity=\"PAYSTATS\",code=\"INVALID_MONTH\"} 1\n"), "{text}");
    }

    #[test]
    fn work_is_in_hand_until_it_is_put_down() {
        let metrics = Metrics::default();
        let registry = metrics.registry();
        let in_hand = [metrics.takes(WorkKind::Chunk, 1), metrics.takes(WorkKind::Chunk, 3)];
        assert!(text(&registry).contains("paystats_loader_work_in_hand{kind=\"chunk\"} 2\n"));
        assert!(text(&registry).contains("paystats_loader_redeliveries_total{kind=\"chunk\"} 1\n"));
        drop(in_hand);
        assert!(text(&registry).contains("paystats_loader_work_in_hand{kind=\"chunk\"} 0\n"));
    }
}
