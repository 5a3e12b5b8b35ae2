//! Embeds the migrations folder, and refuses to build with a malformed one.

fn main() {
    refit_build::embed("migrations");
}
