//! Plans one config for several hosts, none of them this one: facts are plain data.
//!
//! `cargo run --no-default-features --example other_host -- tests/facts/*.json`
#![allow(clippy::print_stdout, reason = "printing is what this example is for")]

use std::error::Error;

use nsplan::config::Config;
use nsplan::facts::HostFacts;
use nsplan::plan::{plan, plan_hint};
use nsplan::types::HostPath;

fn main() -> Result<(), Box<dyn Error>> {
    for file in std::env::args().skip(1) {
        let facts = HostFacts::from_json(&std::fs::read_to_string(&file)?)?;
        let is_user = facts.caller.uid != 0;
        let config = Config::sandbox(HostPath::new("/")?, vec!["id".into()], is_user);
        match plan(&config, &facts) {
            Ok(plan) => println!("{file}: {} steps, {}", plan.steps().count(), plan.topology),
            Err(errors) => {
                for error in errors {
                    println!("{file}: {error}");
                    plan_hint(&error.refusal).iter().for_each(|hint| println!("  hint: {hint}"));
                }
            }
        }
    }
    Ok(())
}
