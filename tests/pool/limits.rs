//! As many wait as were asked for, whoever takes; what is not used is taken back; a member that was killed is passed over.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsplan::apply::{Payload, Pool, PoolError, PoolOptions, probe};
use nsplan::config::Config;
use nsplan::plan::needs;

use crate::support::{Scratch, is_root, rootfs, wait_for};
use crate::{Begun, begun, cgroups, members, pool, run, template, unique};

#[test]
fn many_takers_at_once_get_a_container_each_and_no_more_wait_than_asked_for() {
    let Some(Begun { pool, name, root: _root }) = begun("takers", 3) else { return };
    std::thread::scope(|scope| {
        let takers: Vec<_> = (0..4)
            .map(|taker| {
                let pool = &pool;
                scope.spawn(move || {
                    for n in 0..6 {
                        let (text, code) = run(pool, &format!("echo {taker} {n}; exit {n}"));
                        assert_eq!((text, code), (format!("{taker} {n}\n"), n));
                        assert!(pool.ready() <= 3);
                    }
                })
            })
            .collect();
        takers.into_iter().for_each(|taker| taker.join().unwrap());
    });
    wait_for(|| (pool.ready() == 3).then_some(()));
    // Nothing comes after.
    assert_eq!(members(&name).len(), 3);
    assert_eq!(pool.close(), []);
    assert_eq!(members(&name), [] as [i32; 0]);
    assert_eq!(cgroups(&name), [] as [&str; 0]);
}

#[test]
fn a_pool_that_is_dropped_leaves_nothing() {
    if !is_root() {
        return;
    }
    let (root, scratch) = (rootfs("pool-drop"), Scratch::new("pool-drop"));
    let name = unique("drop");
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let state = scratch.path().join("state");
    let options = PoolOptions { state: Some(state.clone()), ..PoolOptions::new(&name, 4) };
    let pool = pool(&template(&root, &name), options);
    wait_for(|| (pool.ready() == 4).then_some(()));
    let waiting = open();
    assert_eq!(members(&name).len(), 4);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 4);
    drop(pool);
    assert!(open() < waiting);
    assert_eq!(members(&name), [] as [i32; 0]);
    assert_eq!(cgroups(&name), [] as [&str; 0]);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}

#[test]
fn one_that_was_killed_while_it_waited_is_passed_over() {
    let Some(Begun { pool, name, root: _root }) = begun("killed", 2) else { return };
    wait_for(|| (pool.ready() == 2).then_some(()));
    for pid in members(&name) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    // A zombie is in no cgroup's list; its end of the channel is closed.
    wait_for(|| members(&name).is_empty().then_some(()));
    assert_eq!(run(&pool, "echo alive"), ("alive\n".into(), 0));
    drop(pool);
    assert_eq!(cgroups(&name), [] as [&str; 0]);
}

#[test]
fn what_cannot_be_pooled_is_refused_before_anything_is_made() {
    let root = rootfs("pool-refused");
    let name = unique("refused");
    let config = template(&root, &name);
    let refused = |config: &Config, options: PoolOptions| {
        let facts = probe::probe(&needs(config)).unwrap();
        Pool::new(config.clone(), facts, options).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&config, PoolOptions::new(&name, 0)),
        "a pool: expected a size of one at least"
    );
    assert!(refused(&config, PoolOptions::new("a/b", 1)).contains("one plain file name"));
    let mut tied = config.clone();
    tied.process.as_mut().unwrap().parent_death_signal = Some(nsplan::types::Signal::KILL);
    assert!(refused(&tied, PoolOptions::new(&name, 1)).contains("no parent to die with"));
    let mut stays = config;
    stays.process.as_mut().unwrap().init = true;
    assert!(refused(&stays, PoolOptions::new(&name, 1)).contains("prepared ahead"));
    assert_eq!(cgroups(&name), [] as [&str; 0]);
}

#[test]
fn a_program_that_cannot_be_planned_takes_no_container() {
    let Some(Begun { pool, .. }) = &begun("nul", 1) else { return };
    let args = vec!["sh".to_owned(), "a\0b".to_owned()];
    let answer = pool.start(Payload { args, ..Payload::default() });
    assert!(matches!(answer, Err(PoolError::Plan(_))));
    assert_eq!(pool.ready(), 1);
}
