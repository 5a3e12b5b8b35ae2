//! `refit-build` and `embed!`, used by a crate of another project: a build never misses a migration.

use crate::support::scratch::Scratch;

const BUILD: &str = "fn main() { refit_build::embed(\"migrations\"); }\n";

#[test]
fn the_binary_follows_the_folder() {
    let scratch = Scratch::new("refit-scratch-embed");
    scratch.write("build.rs", BUILD);
    scratch.write("migrations/V1__a.sql", "CREATE TABLE a (id int);");
    scratch.build().unwrap();
    let first = scratch.run();
    assert!(first.len() == 1 && first[0].starts_with("1 a "), "{first:?}");

    scratch.write("migrations/V2__b.sql", "CREATE TABLE b (id int);");
    scratch.build().unwrap();
    let second = scratch.run();
    assert!(second.len() == 2 && second[0] == first[0] && second[1].starts_with("2 b "), "{second:?}");

    scratch.write("migrations/V2__b.sql", "CREATE TABLE b (id bigint);");
    scratch.build().unwrap();
    let third = scratch.run();
    assert!(third.len() == 2 && third[0] == first[0] && third[1] != second[1], "{third:?}");

    scratch.remove("migrations/V2__b.sql");
    scratch.build().unwrap();
    assert_eq!(scratch.run(), first);

    scratch.write("migrations/V3__c.sql", "SELECT 1;\nSELECT 'never closed;\n");
    scratch.write("migrations/v4__d.sql", "SELECT 1;");
    let error = scratch.build().unwrap_err();
    let path = scratch.path("migrations").canonicalize().unwrap();
    let place =
        format!("{}:2:8: this string is not terminated; fix: close it", path.join("V3__c.sql").display());
    assert!(error.contains(&place), "{error}");
    assert!(error.contains("rename it to V4__d.sql"), "every problem is reported at once: {error}");
    scratch.remove("migrations/v4__d.sql");
    scratch.write("migrations/V3__c.sql", "SELECT 1;");
    scratch.build().unwrap();
    assert_eq!(scratch.run().len(), 2);
}

#[test]
fn embed_without_a_build_script_is_a_compile_error() {
    let scratch = Scratch::new("refit-scratch-unwatched");
    scratch.write("migrations/V1__a.sql", "CREATE TABLE a (id int);");
    let error = scratch.build().unwrap_err();
    assert!(error.contains("refit::embed!() needs a build.rs"), "{error}");
    assert!(error.contains("refit_build::embed(\"migrations\")"), "{error}");
}

#[test]
fn a_folder_that_does_not_exist_fails_the_build() {
    let scratch = Scratch::new("refit-scratch-missing");
    scratch.write("build.rs", BUILD);
    let error = scratch.build().unwrap_err();
    assert!(error.contains("migrations: cannot be read") && error.contains("name the folder"), "{error}");
}
