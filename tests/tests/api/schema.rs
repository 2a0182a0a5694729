//! The API describes itself, is what `schema.graphql` says, and has the names that scripts outside this project rely on.

use std::{collections::BTreeMap, fs};

use paystats_tests::TestBed;
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Types that every GraphQL server has.
const BUILT_IN: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

/// The names that are a contract: of each type its fields with their arguments, its inputs or its values.
const CONTRACT: &str = "
Query node(id) postalCode(id,code) postalCodes(filter,first,after,last,before) paystat(id)
Query paystats(filter,orderBy,first,after,last,before) total(filter) timeSeries(filter,interval,by) byAgeAndGender(filter)
Query byPostalCode(filter,orderBy,first) stats(filter,groupBy,orderBy,first)
Query compare(filter,months,against,groupBy,orderBy,first) load(id) loads(filter,first,after) datalake(prefix)
Query choropleth(filter,simplify,classes,breaks)
Mutation createPostalCode updatePostalCode deletePostalCode createPaystat updatePaystat deletePaystat startLoad(input)
Subscription loadProgress(id,afterSeq) loads
PostalCode id code geojson wkb bbox centroid total timeSeries byAgeAndGender paystats
Paystat id amount month age gender postalCode load
Load id number entity source state progress rejections(first,after) error createdAt startedAt finishedAt
LoadProgress seq load state rowsRead rowsInserted rowsUpdated rowsUnchanged rowsRejected bytesRead bytesTotal fraction
LoadProgress rowsPerSecond etaSeconds
StartLoadPayload load
Total amount count
TimeSeries gender age points
TimePoint period total
AgeGenderTotal age gender total
PostalCodeTotal postalCode total
StatsRow postalCode period age gender total share change
Change previous amount ratio
StatsOrder field direction
StatsOrderField AMOUNT COUNT SHARE KEY CHANGE
Comparison whole rows
ComparisonRow postalCode age gender total against difference ratio shareOfDifference
MonthRangeInput from to
Dimension POSTAL_CODE MONTH QUARTER YEAR AGE GENDER
StatsFilter from to ages genders postalCodes bbox within
StartLoadInput entity source idempotencyKey
LoadEntity POSTAL_CODES PAYSTATS
AgeGroup UNDER_25 FROM_25_TO_34 FROM_35_TO_44 FROM_45_TO_54 FROM_55_TO_64 FROM_65
Gender F M
";

/// The types of the schema by name, as introspection tells them.
async fn types() -> BTreeMap<String, Value> {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let query = "{ __schema { types {
        name kind description
        fields(includeDeprecated: true) { name description args { name description } }
        inputFields { name description }
        enumValues(includeDeprecated: true) { name description }
    } } }";
    let answer = server.graphql(query, json!({})).await;
    let types = answer.data()["__schema"]["types"].as_array().unwrap();
    types.iter().map(|found| (found["name"].as_str().unwrap().to_owned(), found.clone())).collect()
}

/// The parts of a type: fields, inputs or values.
fn parts(of: &Value) -> impl Iterator<Item = &Value> {
    ["fields", "inputFields", "enumValues"].into_iter().filter_map(|kind| of[kind].as_array()).flatten()
}

fn name(part: &Value) -> &str {
    part["name"].as_str().unwrap()
}

#[tokio::test]
async fn everything_has_a_description() {
    let mut without = Vec::new();
    let mut check = |path: String, what: &Value| {
        if what["description"].as_str().is_none_or(str::is_empty) {
            without.push(path);
        }
    };
    for (of, found) in types().await {
        if of.starts_with("__") || BUILT_IN.contains(&of.as_str()) {
            continue;
        }
        check(of.clone(), &found);
        for part in parts(&found) {
            check(format!("{of}.{}", name(part)), part);
            for argument in part["args"].as_array().into_iter().flatten() {
                check(format!("{of}.{}({})", name(part), name(argument)), argument);
            }
        }
    }
    assert_eq!(without, Vec::<String>::new());
}

#[test]
fn the_schema_that_is_checked_in_is_the_one_that_is_served() {
    let checked_in = fs::read_to_string(format!("{ROOT}/schema.graphql")).unwrap();
    assert!(checked_in == paystats_server::graphql::sdl(), "schema.graphql is not up to date: run `make schema`");
}

#[tokio::test]
async fn names_that_scripts_rely_on_are_there() {
    let types = types().await;
    for line in CONTRACT.trim().lines() {
        let mut words = line.split(' ');
        let of = words.next().unwrap();
        for word in words {
            let mut names = word.split(['(', ',', ')']).filter(|name| !name.is_empty());
            let wanted = names.next().unwrap();
            let part = types.get(of).and_then(|found| parts(found).find(|part| name(part) == wanted));
            let part = part.unwrap_or_else(|| panic!("{of}.{wanted} is missing"));
            let arguments: Vec<&str> = part["args"].as_array().into_iter().flatten().map(name).collect();
            for argument in names {
                assert!(arguments.contains(&argument), "{of}.{wanted}({argument}) is missing");
            }
        }
    }
}
