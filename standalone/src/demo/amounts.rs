//! How much is paid: more in the centre, before Christmas and by those who earn; less in August. Whole numbers only, no floats.

use super::noise::Noise;

/// Units of 0.00001: as many decimals as the real data has.
pub(super) const UNITS: u64 = 100_000;

/// By month, January first, in thousandths.
const SEASON: [u64; 12] = [1020, 900, 980, 960, 1010, 1050, 990, 720, 980, 1020, 1130, 1390];

/// By age group, the youngest first, in thousandths.
const AGES: [u64; 6] = [180, 760, 1190, 1080, 800, 560];

/// Women and men, in thousandths, by age group: the gap widens with age.
const GENDERS: [[u64; 2]; 6] = [[1150, 850], [1100, 900], [1060, 940], [1010, 990], [950, 1050], [900, 1100]];

/// What one age group and gender of an ordinary postal code pays in a month.
const BASE: u64 = 60_000 * UNITS;

/// The spending habits of a city.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amounts {
    noise: Noise,
}

impl Amounts {
    pub(super) fn new(noise: Noise) -> Self {
        Self { noise }
    }

    /// In [`UNITS`]. `ring`: how far from the centre; `month`: counted from the first one; `calendar_month`: 0 is January.
    pub(super) fn amount(
        self,
        postal_code: usize,
        ring: u32,
        month: u32,
        calendar_month: usize,
        age: usize,
        gender: usize,
    ) -> u64 {
        let here = self.noise.of(postal_code as i64);
        let ring = u64::from(ring);
        let centre = 350 + 3_600 / (1 + ring * ring / 3);
        // One in twelve has a shopping centre, one in nine hardly a shop.
        let shops = match here.of(1).between(0, 35) {
            0..=2 => 2_700,
            3..=6 => 250,
            _ => here.of(2).between(600, 1_400),
        };
        let age_here = here.of(3).of(age as i64).between(750, 1_250);
        // About 4 % a year.
        let growth = 1_000 + u64::from(month) * 10 / 3;
        let chance = here.of(4).of(i64::from(month)).of(age as i64).of(gender as i64).between(880_000, 1_120_000);

        let thousandths = [centre, shops, age_here, growth, SEASON[calendar_month], AGES[age], GENDERS[age][gender]];
        let amount = thousandths.iter().fold(u128::from(BASE), |amount, &share| amount * u128::from(share) / 1_000);
        u64::try_from(amount * u128::from(chance) / 1_000_000).expect("an amount fits: every factor is small")
    }
}

/// As decimal text: `69731.3602`.
pub(super) fn decimal(units: u64) -> String {
    let text = format!("{}.{:05}", units / UNITS, units % UNITS);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_printed_with_at_most_five_decimals() {
        assert_eq!(decimal(6_973_136_020), "69731.3602");
        assert_eq!(decimal(1), "0.00001");
        assert_eq!(decimal(12_000_000), "120");
        assert_eq!(decimal(10_050_000), "100.5");
    }

    #[test]
    fn the_centre_and_december_are_where_and_when_money_is_spent() {
        let amounts = Amounts::new(Noise::new(1));
        let sum = |postal_codes: std::ops::Range<usize>, ring, month: u32| -> u64 {
            let people = (0..6).flat_map(|age| [(age, 0), (age, 1)]);
            let rows = people.flat_map(|person| postal_codes.clone().map(move |postal_code| (postal_code, person)));
            rows.map(|(postal_code, (age, gender))| {
                amounts.amount(postal_code, ring, month, month as usize % 12, age, gender)
            })
            .sum()
        };
        assert!(sum(0..50, 0, 0) > 2 * sum(0..50, 5, 0));
        assert!(sum(0..50, 2, 11) > sum(0..50, 2, 7) * 3 / 2);
    }
}
