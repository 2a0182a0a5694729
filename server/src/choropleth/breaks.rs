//! Classes of amounts: how a map's colours divide them. Breaks are amounts of the data, and which class an amount is in is decided by
//! exact comparison.

use paystats_core::domain::Amount;

/// How amounts are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassBreaks {
    /// About as many amounts in each class.
    Quantile,
    /// The sum of squared distances from the means of the classes is as small as it can be (Jenks, Fisher).
    Jenks,
}

/// Classes of amounts, none of them empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// The least amount of each class, ascending.
    starts: Vec<Amount>,
    greatest: Option<Amount>,
}

impl Classes {
    /// Divides amounts into at most `most` classes, of which there is at least one. Equal amounts are in the same class, and where
    /// there are no more different ones than classes, each has its own.
    pub fn new(method: ClassBreaks, mut amounts: Vec<Amount>, most: usize) -> Self {
        amounts.sort_unstable();
        let greatest = amounts.last().copied();
        let mut different = amounts.clone();
        different.dedup();
        let starts = if different.len() <= most {
            different
        } else {
            match method {
                ClassBreaks::Quantile => quantiles(&amounts, most),
                ClassBreaks::Jenks => natural_breaks(&amounts, &different, most),
            }
        };
        Self { starts, greatest }
    }

    /// The class of one of the amounts, counted from 0.
    pub fn class_of(&self, amount: Amount) -> usize {
        self.starts.partition_point(|&start| start <= amount).saturating_sub(1)
    }

    /// The least amount of each class, then the greatest of all: a class holds what is at least its own and less than the next; the last
    /// one holds the greatest too. Empty where there are no amounts.
    pub fn breaks(&self) -> impl Iterator<Item = Amount> {
        self.starts.iter().copied().chain(self.greatest)
    }
}

/// The starts of classes that are as equal in size as equal amounts allow.
fn quantiles(amounts: &[Amount], most: usize) -> Vec<Amount> {
    let mut starts: Vec<Amount> = (0..most).map(|class| amounts[class * amounts.len() / most]).collect();
    starts.dedup();
    starts
}

/// The starts of the natural breaks of sorted amounts, of which there are more `different` ones than classes.
///
/// Dynamic programming over the different amounts, whose best last class starts the later the more amounts there are, so each class
/// takes O(n log n). Distances are floats: they choose between breaks, and no amount is computed from them.
fn natural_breaks(amounts: &[Amount], different: &[Amount], classes: usize) -> Vec<Amount> {
    let sums = Sums::new(amounts, different);
    // The least sum of squares of the first so many amounts, in one class.
    let mut least: Vec<f64> = (0..different.len()).map(|last| sums.squares(0, last)).collect();
    let mut starts_by_class = Vec::with_capacity(classes);
    for class in 1..classes {
        let mut row = Row { sums: &sums, before: &least, squares: vec![0.0; different.len()], starts: Vec::new() };
        row.starts = vec![class; different.len()];
        row.fill(class, different.len() - 1, class, different.len() - 1);
        let Row { squares, starts, .. } = row;
        least = squares;
        starts_by_class.push(starts);
    }
    let mut starts = Vec::with_capacity(classes);
    let mut last = different.len() - 1;
    for row in starts_by_class.iter().rev() {
        starts.push(different[row[last]]);
        last = row[last] - 1;
    }
    starts.push(different[0]);
    starts.reverse();
    starts
}

/// Running sums over the different amounts, counted as often as they occur, from which the squares of any range follow.
struct Sums {
    counts: Vec<f64>,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Sums {
    fn new(amounts: &[Amount], different: &[Amount]) -> Self {
        let mut all = Self { counts: vec![0.0], sums: vec![0.0], squares: vec![0.0] };
        // Numbers near zero, where most amounts are, keep the small differences between them.
        let middle = amounts[amounts.len() / 2].units();
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        let mut rest = amounts;
        for &amount in different {
            let occurs = rest.partition_point(|&other| other <= amount);
            rest = &rest[occurs..];
            let (weight, value) = (occurs as f64, amount.units().saturating_sub(middle) as f64);
            count += weight;
            sum += weight * value;
            squares += weight * value * value;
            all.counts.push(count);
            all.sums.push(sum);
            all.squares.push(squares);
        }
        all
    }

    /// The sum of the squared distances of a range of amounts, both ends included, from their mean.
    fn squares(&self, first: usize, last: usize) -> f64 {
        let of = |sums: &[f64]| sums[last + 1] - sums[first];
        let sum = of(&self.sums);
        (of(&self.squares) - sum * sum / of(&self.counts)).max(0.0)
    }
}

/// The best divisions into one class more than before, of the first amounts up to each.
struct Row<'a> {
    sums: &'a Sums,
    before: &'a [f64],
    squares: Vec<f64>,
    starts: Vec<usize>,
}

impl Row<'_> {
    /// Fills the places `first..=last`, whose last class starts at one of `least..=most`. It halves the range, so it recurses a few times.
    fn fill(&mut self, first: usize, last: usize, least: usize, most: usize) {
        let middle = usize::midpoint(first, last);
        let squares = |start: usize| self.before[start - 1] + self.sums.squares(start, middle);
        let candidates = (least..=most.min(middle)).map(|start| (start, squares(start)));
        let best = candidates.min_by(|(_, a), (_, b)| a.total_cmp(b));
        let (start, squares) = best.unwrap_or((middle, f64::MAX));
        (self.starts[middle], self.squares[middle]) = (start, squares);
        if first < middle {
            self.fill(first, middle - 1, least, start);
        }
        if middle < last {
            self.fill(middle + 1, last, start, most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(texts: &[&str]) -> Vec<Amount> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn breaks(method: ClassBreaks, texts: &[&str], most: usize) -> Vec<String> {
        Classes::new(method, amounts(texts), most).breaks().map(|amount| amount.to_string()).collect()
    }

    /// The sum of squares by its definition.
    fn squares(values: &[f64]) -> f64 {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| (value - mean).powi(2)).sum()
    }

    /// The least sum of squares of all divisions of sorted values into exactly so many classes.
    fn least(values: &[f64], classes: usize) -> f64 {
        if classes == 1 {
            return squares(values);
        }
        let cuts = classes - 1..values.len();
        cuts.map(|cut| least(&values[..cut], classes - 1) + squares(&values[cut..])).fold(f64::MAX, f64::min)
    }

    #[test]
    fn quantiles_have_about_as_many_amounts_each() {
        let texts = ["5", "1", "2", "10", "4", "6", "3", "9", "8", "7"];
        assert_eq!(breaks(ClassBreaks::Quantile, &texts, 5), ["1", "3", "5", "7", "9", "10"]);
        assert_eq!(breaks(ClassBreaks::Quantile, &texts, 3), ["1", "4", "7", "10"]);
        assert_eq!(breaks(ClassBreaks::Quantile, &texts, 1), ["1", "10"]);
        let classes = Classes::new(ClassBreaks::Quantile, amounts(&texts), 5);
        let of: Vec<_> = amounts(&texts).into_iter().map(|amount| classes.class_of(amount)).collect();
        assert_eq!(of, [2, 0, 0, 4, 1, 2, 1, 4, 3, 3]);
    }

    #[test]
    fn equal_amounts_share_a_class_and_none_is_empty() {
        for method in [ClassBreaks::Quantile, ClassBreaks::Jenks] {
            assert_eq!(breaks(method, &[], 5), [""; 0]);
            assert_eq!(breaks(method, &["7", "7", "7"], 5), ["7", "7"]);
            assert_eq!(breaks(method, &["3", "1", "3", "2", "3", "3", "3", "3", "3", "3"], 5), ["1", "2", "3", "3"]);
            assert_eq!(breaks(method, &["-1.5", "0", "1.5"], 3), ["-1.5", "0", "1.5", "1.5"]);
        }
        assert_eq!(breaks(ClassBreaks::Quantile, &["0", "0", "0", "0", "0", "0", "1", "2"], 2), ["0", "2"]);
    }

    #[test]
    fn breaks_are_exact_where_floats_are_not() {
        let texts = ["0.1", "0.2", "0.3", "999999999999999998.0000000000000001", "999999999999999998.0000000000000002"];
        for method in [ClassBreaks::Quantile, ClassBreaks::Jenks] {
            let classes = Classes::new(method, amounts(&texts), 5);
            let of: Vec<_> = amounts(&texts).into_iter().map(|amount| classes.class_of(amount)).collect();
            assert_eq!(of, [0, 1, 2, 3, 4]);
        }
        assert_eq!(breaks(ClassBreaks::Jenks, &texts, 2), [texts[0], texts[3], texts[4]]);
    }

    #[test]
    fn natural_breaks_are_the_best_there_are() {
        assert_eq!(breaks(ClassBreaks::Jenks, &["1", "2", "3", "50", "51", "52", "100"], 3), ["1", "50", "100", "100"]);
        // A small generator of our own: the same values each time.
        let mut state = 7_u64;
        let mut random = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        for _ in 0..200 {
            let mut values: Vec<f64> = (0..4 + random(9)).map(|_| random(60) as f64 - 20.0).collect();
            values.sort_by(f64::total_cmp);
            let texts: Vec<String> = values.iter().map(f64::to_string).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for most in 1..=4 {
                let classes = Classes::new(ClassBreaks::Jenks, amounts(&texts), most);
                let mut groups = vec![Vec::new(); most];
                for (text, value) in texts.iter().zip(&values) {
                    groups[classes.class_of(text.parse().unwrap())].push(*value);
                }
                groups.retain(|group| !group.is_empty());
                assert_eq!(groups.len() + 1, classes.breaks().count());
                let (sum, best) =
                    (groups.iter().map(|group| squares(group)).sum::<f64>(), least(&values, groups.len()));
                assert!(sum <= best + 1e-9, "{texts:?} into {most}: {sum} and not {best}");
            }
        }
    }

    #[test]
    fn as_many_amounts_as_a_country_has_postal_codes_take_no_time() {
        let texts: Vec<String> = (0..20_000_u64).map(|n| (n * n % 65_521).to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(breaks(ClassBreaks::Jenks, &texts, 12).len(), 13);
    }
}
