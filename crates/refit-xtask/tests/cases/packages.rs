//! `--from-package` and `--to-package`, and the environment variables of that name.

use refit_devdb::TestDb;

use crate::support::{Workspace, history};

const FILES: [(&str, &str); 4] = [
    (
        "refit.toml",
        "[package.base]\nfrom = 0\nto = 18\n[package.spare]\nfrom = 20\nto = 29\n[package.cms]\nfrom = 30\nto = 49\n",
    ),
    ("V0001__a.sql", "SELECT 1;\n"),
    ("V0030__b.sql", "SELECT 1;\n"),
    ("R__v.sql", "-- refit: package = \"base\"\nSELECT 1;\n"),
];

#[tokio::test]
async fn options_and_variables_select_packages() {
    let db = TestDb::empty().await.unwrap();
    let workspace = Workspace::new(&FILES).on(&db);
    let plan = workspace.run(&["plan", "--to-package", "spare"]).expect(1).stdout;
    assert!(plan.contains("2 to run"), "{plan}");
    assert!(
        plan.contains("held     V0030__b  (in package cms, which --from-package or --to-package leaves out)"),
        "{plan}"
    );
    let from_variable = workspace.command().arg("migrate").env("REFIT_TO_PACKAGE", "base").output().unwrap();
    assert!(from_variable.status.success());
    assert!(history(&db).await.starts_with("1:") && !history(&db).await.contains(','));
    let status = workspace.command().arg("status").env("REFIT_TO_PACKAGE", "spare").output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
    workspace.run(&["status"]).expect(1);
    let unknown = workspace.run(&["migrate", "--from-package", "cmss"]).expect(2).stderr;
    assert!(unknown.contains("there is no package cmss: did you mean cms?"), "{unknown}");
    workspace.run(&["migrate", "--from-package", "cms"]).expect(0);
    workspace.run(&["status"]).expect(0);
    workspace.write("V0050__outside.sql", "SELECT 1;\n");
    let outside = workspace.run(&["plan"]).expect(2).stderr;
    assert!(outside.contains("V0050__outside.sql: version 50 is in the range of no package"), "{outside}");
}
