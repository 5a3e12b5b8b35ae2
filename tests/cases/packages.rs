//! Packages: ranges of versions, or names, that are run or left out together.

use refit::{Error, Gate};
use refit_devdb::TestDb;

use crate::support::{applied, migrator};

const RANGES: &str = "[package.base]\nfrom = 0\nto = 18\n[package.spare]\nfrom = 19\nto = 29\n[package.cms]\nfrom = 30\nto = 49\n";

const FILES: [(&str, &str); 6] = [
    ("refit.toml", RANGES),
    ("V1__a.sql", "CREATE TABLE a (id int);"),
    ("V18__b.sql", "CREATE TABLE b (id int);"),
    ("V30__c.sql", "CREATE TABLE c (id int);"),
    ("V31__d.sql", "-- refit: depends = [\"V18\"]\nALTER TABLE b ADD COLUMN c int;"),
    ("R__v.sql", "-- refit: package = \"cms\"\nCREATE OR REPLACE VIEW v AS SELECT * FROM c;"),
];

#[tokio::test]
async fn packages_are_run_from_one_to_another() {
    let db = TestDb::empty().await.unwrap();
    let client = db.connect().await.unwrap();
    let all = || migrator(&FILES);
    let plan = all().from_package("spare").plan(&client).await.unwrap();
    let pending: Vec<&str> = plan.pending.iter().map(|step| step.stem.as_str()).collect();
    assert_eq!(pending, ["V30__c", "R__v"]);
    let held: Vec<(&str, &Gate)> = plan.held.iter().map(|step| (step.stem.as_str(), &step.gate)).collect();
    let base = Gate::Package { package: Some("base".to_owned()) };
    assert_eq!(held, [("V1__a", &base), ("V18__b", &base), ("V31__d", &Gate::After { version: 18 })]);
    all().from_package("spare").to_package("cms").run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "30");
    // A package has its own order, so base is not late.
    all().to_package("spare").run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,18,30");
    let early = [&FILES[..], &[("V2__late.sql", "SELECT 1;")]].concat();
    assert!(
        matches!(migrator(&early).run(db.url()).await, Err(Error::Refused(_))),
        "2 is late in its own package"
    );
    all().run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,18,30,31");
    assert!(all().from_package("cms").plan(&client).await.unwrap().is_up_to_date());
    assert_eq!(all().run(db.url()).await.unwrap().run, None);
}

#[tokio::test]
async fn packages_that_are_named_exist() {
    let db = TestDb::empty().await.unwrap();
    for (from, to, expected) in [
        ("bas", None, "there is no package bas: did you mean base?"),
        ("cms", Some("base"), "the package cms comes after base; the order is base, spare, cms"),
        ("base", Some("billing"), "there is no package billing; there are base, spare, cms"),
    ] {
        let mut named = migrator(&FILES).from_package(from);
        if let Some(to) = to {
            named = named.to_package(to);
        }
        let Err(Error::Target(reason)) = named.run(db.url()).await else {
            panic!("{from} {to:?} was accepted")
        };
        assert_eq!(reason, expected);
    }
}

/// Without ranges, the directive is the package, and a migration without one is in none.
#[tokio::test]
async fn directives_name_packages_too() {
    let db = TestDb::empty().await.unwrap();
    let files = [
        ("V1__a.sql", "-- refit: package = \"one\"\nSELECT 1;"),
        ("V2__b.sql", "-- refit: package = \"two\"\nSELECT 1;"),
        ("V3__c.sql", "SELECT 1;"),
        ("V4__d.sql", "-- refit: package = \"one\"\nSELECT 1;"),
    ];
    let report = migrator(&files).to_package("one").run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,4");
    assert_eq!(report.held[1].gate, Gate::Package { package: None });
    let refused = migrator(&files).run(db.url()).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "3 is in no package, so it is late");
}
