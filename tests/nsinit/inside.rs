//! `nsinit init`: the inside of a container that a program starts in the style of 2015.

use nsplan::config::Config;
use nsplan::namespaces::{Start, default_create_command, exec};
use nsplan::types::HostPath;

use crate::containers::{is_root, rootfs, shell};

#[test]
fn a_launcher_s_init_becomes_the_program() {
    if !is_root() {
        return;
    }
    let root = rootfs("nsinit-init");
    for (script, code) in
        [("test -e /bin/busybox && test $$ = 1 && exit 9", 9), ("kill -9 $$; exit 3", 3)]
    {
        let create = |config: &Config, data_path: Option<&std::path::Path>, args: &[String]| {
            let mut command = default_create_command(config, data_path, args);
            command.program.program = Some(HostPath::new(env!("CARGO_BIN_EXE_nsinit")).unwrap());
            command
        };
        let start = Start { create: Some(Box::new(create)), ..Start::default() };
        let none: [&str; 0] = [];
        assert_eq!(exec(&shell(&root, script), &none, start).unwrap(), code, "{script}");
    }
}
