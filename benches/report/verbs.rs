//! The OCI's verbs, one by one: create, start, exec into what runs, delete.

use std::thread::sleep;
use std::time::Duration;

use crate::bundle::Variant;
use crate::gate::{Words, quiet, whole};
use crate::measure::Bench;
use crate::samples::Series;

const ID: &str = "nsplan-report-verbs";

/// A container that ends when it is started, and one that stays and is exec'ed into.
pub(crate) fn verbs(bench: &mut Bench) {
    eprintln!("report: {} verbs", bench.layout.name());
    let able = bench.able(Variant::Default, "exits", ID);
    let able: Vec<_> = able.into_iter().filter(|(found, _)| found.kind.is_runtime()).collect();
    for (found, run) in able {
        let names = ["create", "start", "delete", "exec"];
        let mut all = names.map(|name| bench.series("verb", name, found.name()));
        let stays = found.run(&bench.place, Variant::Default, "stays", ID);
        for _ in 0..bench.rounds / 2 {
            let answer = ends(&run, &mut all).and_then(|()| {
                stays.as_ref().map_err(Clone::clone).and_then(|s| exec(s, &mut all))
            });
            if let Err(why) = answer {
                let why = format!("{} verbs: {why}", bench.layout.name());
                bench.sitting.missing.push(why);
                break;
            }
        }
        bench.sitting.series.extend(all.into_iter().filter(|series| !series.values.is_empty()));
        clean(&run);
    }
}

/// The container's name in the words that run it.
fn id(run: &Words) -> &str {
    let at = run.0.iter().position(|word| word == "--bundle").unwrap_or(0);
    run.0.get(at + 2).map_or("", String::as_str)
}

/// `PROGRAM --root DIR run --bundle DIR ID …` with another verb.
fn with_verb(run: &Words, verb: &str, rest: &[&str]) -> Words {
    let mut words: Vec<String> = run.0.iter().take_while(|word| *word != "run").cloned().collect();
    words.push(verb.into());
    words.extend(rest.iter().map(|word| (*word).to_owned()));
    Words(words)
}

fn bundle(run: &Words) -> &str {
    let at = run.0.iter().position(|word| word == "--bundle").unwrap_or(0);
    run.0.get(at + 1).map_or("", String::as_str)
}

fn take(series: &mut Series, words: &Words) -> Result<(), String> {
    series.busy += usize::from(!quiet());
    series.values.push(whole(words)?);
    Ok(())
}

fn ends(run: &Words, all: &mut [Series; 4]) -> Result<(), String> {
    let [create, start, delete, _] = all;
    take(create, &with_verb(run, "create", &["--bundle", bundle(run), id(run)]))?;
    take(start, &with_verb(run, "start", &[id(run)]))?;
    sleep(Duration::from_millis(5));
    take(delete, &with_verb(run, "delete", &[id(run)]))
}

fn exec(stays: &Words, all: &mut [Series; 4]) -> Result<(), String> {
    whole(&with_verb(stays, "create", &["--bundle", bundle(stays), id(stays)]))?;
    whole(&with_verb(stays, "start", &[id(stays)]))?;
    let answer = take(&mut all[3], &with_verb(stays, "exec", &[id(stays), "/bin/exits"]));
    whole(&with_verb(stays, "delete", &["--force", id(stays)]))?;
    answer
}

/// What a round that was cut short has left.
fn clean(run: &Words) {
    let _ = with_verb(run, "delete", &["--force", id(run)]).command().status();
}
