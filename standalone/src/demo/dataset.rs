//! A made-up data set of any size: the same seed makes the same bytes.

use std::io::{self, Write};

use anyhow::{Context as _, Result, ensure};

use super::{
    amounts::{Amounts, decimal},
    city::City,
    ewkb,
    noise::Noise,
};

const AGES: [&str; 6] = ["<=24", "25-34", "35-44", "45-54", "55-64", ">=65"];
const GENDERS: [&str; 2] = ["F", "M"];

/// Paystats of a postal code in a month.
const PEOPLE: u64 = (AGES.len() * GENDERS.len()) as u64;

/// How many codes of five digits there are; 00000 is none.
const MOST_POSTAL_CODES: u32 = 99_999;

const FIRST_YEAR: u32 = 2015;

/// How many months there are until the end of 2099.
const MOST_MONTHS: u32 = 85 * 12;

/// Card payments in a made-up city: each postal code, month from January 2015 on, age group and gender has one row.
#[derive(Debug)]
pub struct Dataset {
    city: City,
    amounts: Amounts,
    months: u32,
    names: Names,
}

/// What rows are called, and where the city lies.
#[derive(Debug)]
struct Names {
    /// Longitude and latitude, in degrees.
    centre: (f64, f64),
    code: fn(usize) -> String,
    /// What comes before the id of the first postal code, and of the first paystat.
    ids_after: (u64, u64),
}

/// Like the files of a real city: around the centre of Madrid, and with its codes.
const MADRID: Names = Names { centre: (-3.7038, 40.4168), code: madrid_code, ids_after: (0, 0) };

/// Unlike any file of a real city, so that one can be loaded beside it: no country has such codes, the ids are near the greatest that the
/// API can name exactly, and the city lies east of the region of Madrid.
const DEMO: Names = Names {
    centre: (-3.05, 40.55),
    code: |index| format!("DEMO-{:03}", index + 1),
    ids_after: (2_000_000_000, 9_000_000_000_000_000),
};

impl Dataset {
    /// A data set of `postal_codes` (at most 99,999) times `months` (at most 1,020).
    pub fn new(seed: u64, postal_codes: u32, months: u32) -> Result<Self> {
        Self::named(MADRID, seed, postal_codes, months)
    }

    fn named(names: Names, seed: u64, postal_codes: u32, months: u32) -> Result<Self> {
        ensure!(
            (1..=MOST_POSTAL_CODES).contains(&postal_codes),
            "postal codes: 1 to {MOST_POSTAL_CODES}, not {postal_codes}"
        );
        ensure!((1..=MOST_MONTHS).contains(&months), "months: 1 to {MOST_MONTHS}, not {months}");
        let noise = Noise::new(seed);
        let city = City::new(names.centre, noise.of(1), postal_codes as usize);
        Ok(Self { city, amounts: Amounts::new(noise.of(2)), months, names })
    }

    /// A data set of at least `paystats` rows in `months` (at most 1,020), with as few postal codes (at most 99,999) as that takes.
    pub fn with_paystats(seed: u64, paystats: u64, months: u32) -> Result<Self> {
        // Of no months `new` complains.
        let postal_codes = paystats.div_ceil(PEOPLE * u64::from(months.max(1))).max(1);
        let postal_codes = u32::try_from(postal_codes).ok().filter(|&number| number <= MOST_POSTAL_CODES);
        let most = u64::from(MOST_POSTAL_CODES) * u64::from(months) * PEOPLE;
        Self::new(
            seed,
            postal_codes.with_context(|| format!("at most {most} paystats fit into {months} months"))?,
            months,
        )
    }

    /// The demo: two years of 120 postal codes, none of whose codes and ids is one of a real file.
    pub fn demo() -> Self {
        Self::named(DEMO, 2015, 120, 24).expect("the demo is within the limits")
    }

    /// Rows of the file of postal codes.
    pub fn postal_codes(&self) -> u64 {
        self.city.len() as u64
    }

    /// Rows of the file of paystats.
    pub fn paystats(&self) -> u64 {
        self.postal_codes() * u64::from(self.months) * PEOPLE
    }

    /// Writes `the_geom,code,id`; ids are consecutive.
    pub fn write_postal_codes(&self, mut out: impl Write) -> io::Result<()> {
        out.write_all(b"the_geom,code,id\n")?;
        for index in 0..self.city.len() {
            let code = (self.names.code)(index);
            writeln!(out, "{},{code},{}", ewkb::hex(&self.city.area(index)), self.postal_code_id(index))?;
        }
        out.flush()
    }

    /// Writes `amount,p_month,p_age,p_gender,postal_code_id,id`, by postal code, month, age and gender; ids are consecutive.
    pub fn write_paystats(&self, mut out: impl Write) -> io::Result<()> {
        out.write_all(b"amount,p_month,p_age,p_gender,postal_code_id,id\n")?;
        let (_, mut id) = self.names.ids_after;
        for postal_code in 0..self.city.len() {
            for month in 0..self.months {
                let (year, calendar_month) = (FIRST_YEAR + month / 12, month % 12 + 1);
                for (age, age_name) in AGES.iter().enumerate() {
                    for (gender, gender_name) in GENDERS.iter().enumerate() {
                        id += 1;
                        let amount = decimal(self.amount(postal_code, month, age, gender));
                        writeln!(
                            out,
                            "{amount},{year}-{calendar_month:02}-01,{age_name},{gender_name},{},{id}",
                            self.postal_code_id(postal_code)
                        )?;
                    }
                }
            }
        }
        out.flush()
    }

    fn postal_code_id(&self, index: usize) -> u64 {
        self.names.ids_after.0 + index as u64 + 1
    }

    /// In units of 0.00001.
    fn amount(&self, postal_code: usize, month: u32, age: usize, gender: usize) -> u64 {
        let calendar_month = (month % 12) as usize;
        self.amounts.amount(postal_code, self.city.ring(postal_code), month, calendar_month, age, gender)
    }
}

/// 28001 and on, around past 99999: 00001, 00002, …
fn madrid_code(index: usize) -> String {
    format!("{:05}", (28_000 + index as u32) % MOST_POSTAL_CODES + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::amounts::UNITS, *};

    fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut bytes = vec![];
        write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_same_seed_makes_the_same_bytes_and_another_seed_others() {
        let make = |seed| {
            let dataset = Dataset::new(seed, 40, 3).unwrap();
            (written(|out| dataset.write_postal_codes(out)), written(|out| dataset.write_paystats(out)))
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1).0, make(2).0);
        assert_ne!(make(1).1, make(2).1);
    }

    #[test]
    fn a_smaller_data_set_is_the_beginning_of_a_larger_one() {
        let large = written(|out| Dataset::new(1, 12, 2).unwrap().write_paystats(out));
        let small = written(|out| Dataset::new(1, 5, 2).unwrap().write_paystats(out));
        assert!(large.starts_with(&small));
    }

    #[test]
    fn every_postal_code_month_age_and_gender_has_one_row_and_the_amounts_add_up() {
        let dataset = Dataset::demo();
        let text = written(|out| dataset.write_paystats(out));
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("amount,p_month,p_age,p_gender,postal_code_id,id"));
        let mut keys = BTreeSet::new();
        let mut sum = 0_u64;
        for (line, wanted_id) in lines.zip(9_000_000_000_000_001_u64..) {
            let [amount, month, age, gender, postal_code, id] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
            assert_eq!(id, wanted_id.to_string());
            assert!(("2015-01-01"..="2016-12-01").contains(&month), "{month}");
            keys.insert((postal_code, month, age, gender));
            let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
            sum += whole.parse::<u64>().unwrap() * UNITS + format!("{decimals:0<5}").parse::<u64>().unwrap();
        }
        assert_eq!(keys.len(), 120 * 24 * 12);
        assert_eq!(dataset.paystats(), 120 * 24 * 12);
        let made: u64 = (0..120)
            .flat_map(|postal_code| (0..24).map(move |month| (postal_code, month)))
            .flat_map(|cell| (0..6).flat_map(move |age| [(cell, age, 0), (cell, age, 1)]))
            .map(|((postal_code, month), age, gender)| dataset.amount(postal_code, month, age, gender))
            .sum();
        assert_eq!(sum, made);
    }

    #[test]
    fn no_code_and_no_id_of_the_demo_is_one_of_a_real_file() {
        let postal_codes = written(|out| Dataset::demo().write_postal_codes(out));
        let names: Vec<_> =
            postal_codes.lines().skip(1).map(|line| line.split_once(',').expect("a geometry comes first").1).collect();
        assert_eq!((names[0], names[119]), ("DEMO-001,2000000001", "DEMO-120,2000000120"));
        let paystats = written(|out| Dataset::demo().write_paystats(out));
        assert!(paystats.lines().nth(1).unwrap().ends_with(",2015-01-01,<=24,F,2000000001,9000000000000001"));
        assert!(paystats.lines().last().unwrap().ends_with(",2016-12-01,>=65,M,2000000120,9000000000034560"));
    }

    #[test]
    fn a_number_of_paystats_is_rounded_up_to_whole_postal_codes() {
        let made = |paystats| Dataset::with_paystats(1, paystats, 2).unwrap().postal_codes();
        assert_eq!([0, 1, 24, 25, 240].map(made), [1, 1, 1, 2, 10]);
        let error = Dataset::with_paystats(1, u64::MAX, 2).unwrap_err().to_string();
        assert_eq!(error, "at most 2399976 paystats fit into 2 months");
        assert!(Dataset::with_paystats(1, 1, 0).is_err());
    }

    #[test]
    fn postal_codes_have_five_digits_and_differ() {
        let dataset = Dataset::new(1, 150, 1).unwrap();
        let text = written(|out| dataset.write_postal_codes(out));
        let codes: BTreeSet<_> = text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
        assert_eq!(codes.len(), 150);
        assert!(codes.iter().all(|code| code.len() == 5));
        assert_eq!([0, 71_998, 71_999, 99_998].map(madrid_code), ["28001", "99999", "00001", "28000"]);
        assert!(Dataset::new(1, 100_000, 1).is_err());
        assert!(Dataset::new(1, 1, 0).is_err());
    }
}
