//! What a child does to the memory it shares with its launcher: nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nsplan::apply::ExitStatus;
use nsplan::types::{Resource, Rlimit};

use crate::allocator;
use crate::stage::{Rootfs, plan, run, start, with_userns};

#[test]
fn a_child_allocates_nothing() {
    let rootfs = Rootfs::new();
    let mut config = rootfs.shell("exit 7");
    let process = config.process.as_mut().unwrap();
    process.rlimits.insert(Resource::Core, Rlimit { soft: 0, hard: 0 });
    process.terminal = false;
    let mut with_init = config.clone();
    let process = with_init.process.as_mut().unwrap();
    (process.init, process.oom_score_adj) = (true, Some(500));
    let plans = [plan(&config), plan(&with_userns(config)), plan(&with_init)];
    allocator::arm();
    let results: Vec<_> = plans.iter().map(run).collect();
    allocator::disarm();
    assert_eq!(allocator::SEEN.load(Ordering::SeqCst), 0);
    for (status, text) in results {
        assert_eq!(status, ExitStatus::Exited(7), "{text}");
    }
}

#[test]
fn a_failing_child_allocates_nothing() {
    let rootfs = Rootfs::new();
    let plan = plan(&rootfs.config(&["nothing"]));
    allocator::arm();
    let error = start(&plan).err();
    allocator::disarm();
    assert_eq!(allocator::SEEN.load(Ordering::SeqCst), 0);
    assert_eq!(error.unwrap().exit_code(), Some(127));
}

/// Eight threads that allocate all the time, and one gibibyte that is resident: nothing of either is in the way.
#[test]
fn a_launcher_with_threads_and_much_memory_starts_containers() {
    static STOP: AtomicBool = AtomicBool::new(false);
    static ROUNDS: AtomicUsize = AtomicUsize::new(0);
    let rootfs = Rootfs::new();
    let plan = plan(&rootfs.shell("exit 3"));
    let mut big = vec![0_u8; 1 << 30];
    for page in big.chunks_mut(4096) {
        page[0] = 1;
    }
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !STOP.load(Ordering::Relaxed) {
                    std::hint::black_box(vec![ROUNDS.fetch_add(1, Ordering::Relaxed); 100]);
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
        }
        for _ in 0..20 {
            assert_eq!(run(&plan).0, ExitStatus::Exited(3));
        }
        STOP.store(true, Ordering::Relaxed);
    });
    assert!(big.iter().step_by(4096).all(|byte| *byte == 1));
}

#[test]
fn many_threads_start_containers_at_once() {
    let rootfs = Rootfs::new();
    let plan = plan(&rootfs.shell("exit 5"));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(run(&plan).0, ExitStatus::Exited(5));
                }
            });
        }
    });
}

/// The child's change of ids takes the flag away from the memory both share; afterwards it is as before.
#[test]
fn the_launcher_s_dumpable_flag_is_as_before() {
    let rootfs = Rootfs::new();
    let mut config = rootfs.shell("id -u");
    config.process.as_mut().unwrap().user.spec =
        nsplan::config::UserSpec::Ids { uid: 1000, gid: 1000 };
    let plan = plan(&config);
    let before = nix::sys::prctl::get_dumpable().unwrap();
    assert_eq!(run(&plan), (ExitStatus::Exited(0), "1000\n".into()));
    let others_are_at_work = || nix::sys::prctl::get_dumpable().unwrap() != before;
    for _ in 0..200 {
        if !others_are_at_work() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the flag was {before}");
}
