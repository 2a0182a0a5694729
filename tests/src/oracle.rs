//! What has to be in the store, worked out from the sources by code that shares nothing with the product: its own reading of CSV, its own
//! sums of big integers, its own rules. Amounts are whole numbers of 10^-16.

use std::{collections::BTreeMap, fmt::Debug};

/// Decimals of an amount.
const DECIMALS: usize = 16;

/// What a source of paystats says: its good rows by id, and its refused ones by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Good rows, with the line on which each starts.
    pub rows: BTreeMap<i64, (u64, Content)>,
    /// Refused rows.
    pub refused: Vec<Refused>,
}

/// What a row says, but for its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Amount.
    pub units: i128,
    /// Month, such as `2015-01`.
    pub month: String,
    /// Age group, as the API names it.
    pub age: String,
    /// Gender, as the API names it.
    pub gender: String,
    /// Number of the postal code.
    pub postal_code: i64,
}

/// A row that was refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// Where it starts.
    pub line: u64,
    /// What is wrong, as the API names it.
    pub code: String,
    /// In which column.
    pub column: Option<String>,
}

/// A row of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it says.
    pub content: Content,
    /// Number of the load that wrote it; `None` where a mutation did.
    pub load: Option<i64>,
    /// The line that it comes from.
    pub line: Option<u64>,
}

/// All rows of a store, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(pub BTreeMap<i64, Stored>);

/// All that became of a store, by id: versions of each row, the newest last; `None` where it was removed.
#[derive(Clone, Debug, Default)]
pub struct History(BTreeMap<i64, Vec<Option<Stored>>>);

/// What became of the rows that a load had inserted or replaced, when it was taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// Rows that are as they were before it.
    pub reverted: u64,
    /// Rows that were changed since by newer loads or by edits, and stay so.
    pub kept: u64,
}

/// Sum and number of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Sum of the amounts.
    pub units: i128,
    /// Number of rows.
    pub count: u64,
}

/// What a load that runs alone does to a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that replaced another version.
    pub updated: u64,
    /// Rows that were there already.
    pub unchanged: u64,
    /// Rows that were refused.
    pub rejected: u64,
}

impl Source {
    /// Reads a source with the columns of [`PAYSTAT_COLUMNS`](crate::sources::PAYSTAT_COLUMNS) and any others, where only these postal codes
    /// are known.
    pub fn read(text: &str, postal_codes: &[i64]) -> Self {
        let mut records = records(text).into_iter();
        let (_, header) = records.next().expect("a header");
        let place = |name: &str| header.iter().position(|column| column == name).expect("the column is there");
        let names = ["id", "amount", "p_month", "p_age", "p_gender", "postal_code_id"];
        let places = names.map(place);
        let mut source = Self::default();
        let mut ids = BTreeMap::new();
        for (line, fields) in records {
            if fields.len() != header.len() {
                source.refuse(line, "WRONG_FIELD_COUNT", None);
                continue;
            }
            let [id, amount, month, age, gender, postal_code] = places.map(|place| fields[place].as_str());
            let known_id = id.parse::<i64>().ok().filter(|id| *id >= 0);
            // The first line with an id keeps it, whatever else is wrong with that line.
            let is_first = known_id.is_none_or(|id| *ids.entry(id).or_insert(line) == line);
            let content = (
                units(amount),
                month.strip_suffix("-01").filter(|month| is_month(month)),
                age_group(age),
                ["F", "M"].contains(&gender),
                postal_code.parse::<i64>().ok().filter(|code| postal_codes.contains(code)),
            );
            match (known_id, content) {
                (None, _) => source.refuse(line, "INVALID_ID", Some("id")),
                (_, (None, ..)) => source.refuse(line, "INVALID_AMOUNT", Some("amount")),
                (_, (_, None, ..)) => source.refuse(line, "INVALID_MONTH", Some("p_month")),
                (_, (_, _, None, ..)) => source.refuse(line, "UNKNOWN_AGE_GROUP", Some("p_age")),
                (_, (_, _, _, false, _)) => source.refuse(line, "UNKNOWN_GENDER", Some("p_gender")),
                (_, (.., None)) => source.refuse(line, "UNKNOWN_POSTAL_CODE", Some("postal_code_id")),
                _ if !is_first => source.refuse(line, "DUPLICATE_ID", Some("id")),
                (Some(id), (Some(units), Some(month), Some(age), true, Some(postal_code))) => {
                    let (month, age, gender) = (month.to_owned(), age.to_owned(), gender.to_owned());
                    source.rows.insert(id, (line, Content { units, month, age, gender, postal_code }));
                }
            }
        }
        source
    }

    fn refuse(&mut self, line: u64, code: &str, column: Option<&str>) {
        self.refused.push(Refused { line, code: code.to_owned(), column: column.map(str::to_owned) });
    }

    /// Only the rows on these lines.
    pub fn only_lines(mut self, lines: &[u64]) -> Self {
        self.rows.retain(|_, (line, _)| lines.contains(line));
        self.refused.retain(|refused| lines.contains(&refused.line));
        self
    }

    /// Rows, good and refused.
    pub fn len(&self) -> u64 {
        (self.rows.len() + self.refused.len()) as u64
    }

    /// Whether it has no row at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl History {
    /// Does what load `number` does: the last writer wins, and what is equal stays as it was. Loads come in the order of their numbers.
    pub fn load(&mut self, number: i64, source: &Source) -> Outcome {
        let mut outcome = Outcome { rejected: source.refused.len() as u64, ..Outcome::default() };
        for (id, (line, content)) in &source.rows {
            let versions = self.0.entry(*id).or_default();
            match versions.last().and_then(Option::as_ref) {
                Some(now) if now.content == *content => {
                    outcome.unchanged += 1;
                    continue;
                }
                Some(_) => outcome.updated += 1,
                None => outcome.inserted += 1,
            }
            versions.push(Some(Stored { content: content.clone(), load: Some(number), line: Some(*line) }));
        }
        outcome
    }

    /// Takes back what load `number` did, as if it had never been. What was changed since stays as it is.
    pub fn take_back(&mut self, number: i64) -> TakenBack {
        let mut outcome = TakenBack::default();
        for versions in self.0.values_mut() {
            let is_its = |version: &Option<Stored>| version.as_ref().is_some_and(|row| row.load == Some(number));
            let newest = versions.last().is_some_and(is_its);
            if versions.iter().any(is_its) {
                outcome.reverted += u64::from(newest);
                outcome.kept += u64::from(!newest);
                versions.retain(|version| !is_its(version));
            }
        }
        outcome
    }

    /// Does what a mutation does that changes an amount.
    pub fn edit_amount(&mut self, id: i64, amount: &str) {
        let versions = self.0.get_mut(&id).expect("the row was there once");
        let now = versions.last().cloned().flatten().expect("the row is there");
        let content = Content { units: units(amount).expect("an amount"), ..now.content };
        versions.push(Some(Stored { content, load: None, line: None }));
    }

    /// Takes a version for granted that the store was found to hold.
    pub fn adopt(&mut self, id: i64, row: Stored) {
        self.0.entry(id).or_default().push(Some(row));
    }

    /// Does what a mutation does that removes a row.
    pub fn delete(&mut self, id: i64) {
        self.0.get_mut(&id).expect("the row was there once").push(None);
    }

    /// What the store holds now.
    pub fn rows(&self) -> Rows {
        let now = |(id, versions): (&i64, &Vec<Option<Stored>>)| Some((*id, versions.last().cloned().flatten()?));
        Rows(self.0.iter().filter_map(now).collect())
    }
}

impl Rows {
    /// Sum and number of all rows.
    pub fn total(&self) -> Sum {
        self.by_month().values().fold(Sum::default(), |sum, month| sum.plus(*month))
    }

    /// Sum and number of each month that has rows.
    pub fn by_month(&self) -> BTreeMap<String, Sum> {
        let mut months = BTreeMap::<String, Sum>::new();
        for Stored { content, .. } in self.0.values() {
            let month = months.entry(content.month.clone()).or_default();
            *month = month.plus(Sum { units: content.units, count: 1 });
        }
        months
    }

    /// Panics where these rows differ from what has to be there, and shows the first differences.
    #[track_caller]
    pub fn assert_are(&self, expected: &Self, when: &str) {
        let ids = self.0.keys().chain(expected.0.keys().filter(|id| !self.0.contains_key(id)));
        let differences: Vec<String> = ids
            .filter(|id| self.0.get(id) != expected.0.get(id))
            .map(|id| format!("  {id}: found {:?}, expected {:?}", self.0.get(id), expected.0.get(id)))
            .collect();
        let (number, first) = (differences.len(), differences.iter().take(5).cloned().collect::<Vec<_>>().join("\n"));
        assert!(number == 0, "{when}: {number} rows of {} differ:\n{first}", expected.0.len());
    }
}

impl Sum {
    fn plus(self, other: Self) -> Self {
        Self { units: self.units + other.units, count: self.count + other.count }
    }
}

impl Outcome {
    /// All rows.
    pub fn read(&self) -> u64 {
        self.inserted + self.updated + self.unchanged + self.rejected
    }
}

/// A decimal number in plain notation as whole units of 10^-16.
pub fn units(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 18 || fraction.len() > DECIMALS || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<DECIMALS$}").parse::<i128>().ok().map(|units| sign * units)
}

fn is_month(text: &str) -> bool {
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u16>().ok());
    let is_year = number(text.get(..4)).is_some_and(|year| (1900..=2199).contains(&year));
    is_year
        && text.get(4..5) == Some("-")
        && text.len() == 7
        && number(text.get(5..)).is_some_and(|month| (1..=12).contains(&month))
}

fn age_group(label: &str) -> Option<&'static str> {
    Some(match label {
        "<=24" => "UNDER_25",
        "25-34" => "FROM_25_TO_34",
        "35-44" => "FROM_35_TO_44",
        "45-54" => "FROM_45_TO_54",
        "55-64" => "FROM_55_TO_64",
        ">=65" => "FROM_65",
        _ => return None,
    })
}

/// The records of a CSV text with `\n` at the end of lines, each with the line on which it starts. Blank lines are none.
fn records(text: &str) -> Vec<(u64, Vec<String>)> {
    let (mut records, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut start, mut quoted) = (1, 1, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        line += u64::from(character == '\n');
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => field.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                if !(fields.is_empty() && field.is_empty()) {
                    fields.push(std::mem::take(&mut field));
                    records.push((start, std::mem::take(&mut fields)));
                }
                start = line;
            }
            other => field.push(other),
        }
    }
    assert!(fields.is_empty() && field.is_empty(), "the last line has an end");
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "amount,p_month,p_age,p_gender,postal_code_id,id,note
1.5,2015-01-01,<=24,F,1,7,

-0.0000000000000001,2015-02-01,>=65,M,2,8,\"two
lines, \"\"quoted\"\"\"
1,2015-01-01,<=24,F,1,7,again
x,2015-01-01,<=24,F,1,9,
1,2015-01-02,<=24,F,1,10,
1,2015-01-01,24,F,1,11,
1,2015-01-01,<=24,X,1,12,
1,2015-01-01,<=24,F,3,13,
1,2015-01-01,<=24,F,1,-1,
1,2015-01-01,<=24,F,1,14
";

    #[test]
    fn a_source_is_read_with_its_lines_and_what_is_wrong_with_them() {
        let source = Source::read(TEXT, &[1, 2]);
        let found: Vec<_> = source.rows.iter().map(|(id, (line, row))| (*id, *line, row.units)).collect();
        assert_eq!(found, [(7, 2, 15_000_000_000_000_000), (8, 4, -1)]);
        let refused: Vec<_> = source.refused.iter().map(|refused| (refused.line, refused.code.as_str())).collect();
        let expected = [
            (6, "DUPLICATE_ID"),
            (7, "INVALID_AMOUNT"),
            (8, "INVALID_MONTH"),
            (9, "UNKNOWN_AGE_GROUP"),
            (10, "UNKNOWN_GENDER"),
            (11, "UNKNOWN_POSTAL_CODE"),
            (12, "INVALID_ID"),
            (13, "WRONG_FIELD_COUNT"),
        ];
        assert_eq!(refused, expected);
    }

    #[test]
    fn the_last_load_wins_and_sums_are_exact() {
        let (old, new) = (TEXT, TEXT.replace("1.5,", "2.25,"));
        let mut history = History::default();
        let outcome = history.load(1, &Source::read(old, &[1, 2]));
        assert_eq!(outcome, Outcome { inserted: 2, rejected: 8, ..Outcome::default() });
        let outcome = history.load(2, &Source::read(&new, &[1, 2]));
        assert_eq!(outcome, Outcome { updated: 1, unchanged: 1, rejected: 8, ..Outcome::default() });
        let rows = history.rows();
        assert_eq!((rows.0[&7].load, rows.0[&8].load), (Some(2), Some(1)));
        assert_eq!(rows.total(), Sum { units: 22_500_000_000_000_000 - 1, count: 2 });
        assert_eq!(rows.by_month()["2015-02"], Sum { units: -1, count: 1 });
    }

    #[test]
    fn a_load_that_is_taken_back_leaves_nothing_and_what_was_changed_since_stays() {
        let with = |amount: &str| Source::read(&TEXT.replace("1.5,", &format!("{amount},")), &[1, 2]);
        let mut history = History::default();
        history.load(1, &with("1"));
        history.load(2, &with("2"));
        history.load(3, &with("3"));
        history.delete(8);
        assert_eq!(history.take_back(2), TakenBack { reverted: 0, kept: 1 });
        assert_eq!(history.take_back(3), TakenBack { reverted: 1, kept: 0 });
        assert_eq!(history.rows().0.keys().collect::<Vec<_>>(), [&7]);
        assert_eq!(history.rows().0[&7].load, Some(1));
        assert_eq!(history.take_back(1), TakenBack { reverted: 1, kept: 1 });
        assert_eq!(history.rows(), Rows::default());
    }
}
