//! Containers out of a pool, beside full starts of the same config from the same process.

use std::thread::sleep;
use std::time::{Duration, Instant};

use nsplan::apply::{Io, Payload, Pool, PoolOptions, Stdio, probe, spawn};
use nsplan::config::{Config, from_libcontainer, from_oci};
use nsplan::plan::{needs, plan};
use nsplan::types::HostPath;

use crate::bundle::{Variant, bundles};
use crate::gate::{micros, quiet};
use crate::measure::Bench;

const ID: &str = "nsplan-report-pool";
const SIZE: usize = 4;

/// In a small caller and in a large one with many threads.
pub(crate) fn pool(bench: &mut Bench, label: &str, variant: Variant) {
    if let Err(why) = measured(bench, label, variant) {
        bench.sitting.missing.push(format!("{}, pool, {label}: {why}", bench.layout.name()));
    }
}

fn measured(bench: &mut Bench, label: &str, variant: Variant) -> Result<(), String> {
    let config = config(bench, variant)?;
    let facts = probe::probe(&needs(&config)).map_err(|error| error.to_string())?;
    let plan = plan(&config, &facts).map_err(|errors| format!("{errors:?}"))?;
    let (mut full, mut out) =
        (bench.series("pool", label, "full start"), bench.series("pool", label, "from the pool"));
    let pool = Pool::new(config, facts, PoolOptions::new(ID, SIZE)).map_err(|e| e.to_string())?;
    let null = || [Stdio::Null, Stdio::Null, Stdio::Null];
    for _ in 0..bench.rounds / 2 {
        // What was taken is made again before the next is timed.
        let begin = Instant::now();
        while pool.ready() < SIZE && begin.elapsed() < Duration::from_secs(1) {
            sleep(Duration::from_millis(1));
        }
        full.busy += usize::from(!quiet());
        let begin = Instant::now();
        let container = spawn(&plan, Io { stdio: null(), ..Io::default() });
        if container.is_ok_and(|mut container| container.wait().is_ok()) {
            full.values.push(micros(begin.elapsed()));
        }
        out.busy += usize::from(!quiet());
        let begin = Instant::now();
        let container = pool.start(Payload { stdio: null(), ..Payload::default() });
        if container.is_ok_and(|mut container| container.wait().is_ok()) {
            out.values.push(micros(begin.elapsed()));
        }
    }
    bench.sitting.series.extend([full, out]);
    Ok(())
}

fn config(bench: &Bench, variant: Variant) -> Result<Config, String> {
    let (at, root) = (&bench.place.at, &bench.place.root);
    let (oci, other) = bundles(at, root, variant, "exits", ID).map_err(|e| e.to_string())?;
    let other = other.filter(|_| variant == Variant::NoCgroup);
    let file = match &other {
        Some(dir) => dir.join("container.json"),
        None => oci.join("config.json"),
    };
    let text = std::fs::read(&file).map_err(|error| error.to_string())?;
    let base = HostPath::new(&oci.display().to_string()).map_err(|error| error.to_string())?;
    let mut config = if other.is_some() {
        from_libcontainer(&text, &base).map_err(|error| error.to_string())?.config
    } else {
        from_oci(&text, &base).map_err(|error| error.to_string())?.config
    };
    let process = config
        .process
        .get_or_insert_with(|| nsplan::config::Process::sandbox(vec!["/bin/exits".into()]));
    process.args = vec!["/bin/exits".into()];
    process.parent_death_signal = None;
    Ok(config)
}
