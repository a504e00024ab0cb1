//! The table of what other tools' options are called here.
//!
//! Pure.

/// Other spellings of options.
pub const ALIASES: &[(&str, &str)] = &[
    ("network", "net"),
    ("cwd", "workdir"),
    ("cap", "cap-add"),
    ("additional-gids", "group-add"),
    ("no-new-privs", "no-new-privileges"),
    ("cpu-share", "cpu-shares"),
];

/// Options of other tools that mean something nsplan does differently or not at all, and what to do instead.
pub const FOREIGN: &[(&str, &str)] = &[
    ("add-host", "bind a hosts file: -v ./hosts:/etc/hosts:ro"),
    ("bind", "use -v SRC:DST"),
    ("chdir", "use -w DIR"),
    ("chroot", "use --rootfs DIR"),
    (
        "detach",
        "nsplan stays in the foreground; let a service manager or `&` put it in the background",
    ),
    ("dev", "a private /dev is always there; --device adds to it"),
    ("dev-bind", "use --device PATH for a node"),
    ("die-with-parent", "that is always so"),
    ("dns", "bind a resolv.conf: -v ./resolv.conf:/etc/resolv.conf:ro"),
    ("entrypoint", "the words after the options are the command, there is no image to override"),
    ("env-file", "use -e NAME=VALUE for each, or `env $(cat FILE) nsplan do -e NAME …`"),
    ("fork", "that is always so"),
    ("ip", "nsplan do has no interface but loopback; describe others in a container.json"),
    ("map-root-user", "that is the default for an ordinary user; root says --userns private"),
    ("mount-proc", "a private /proc is always there"),
    ("new-session", "that is always so"),
    (
        "privileged",
        "name what is needed instead: --cap-add, --device, --unmask, --net host; all but everything is --cap-add ALL --unmask ALL",
    ),
    ("proc", "a private /proc is always there"),
    ("publish", "use --net host, or describe an interface in a container.json"),
    ("pull", "there are no images; give a directory with --rootfs DIR"),
    ("restart", "let a service manager restart it"),
    ("rm", "that is always so: nothing stays"),
    ("ro-bind", "use -v SRC:DST:ro"),
    ("runtime", "nsplan is the runtime"),
    ("security-opt", "use --no-new-privileges, --apparmor, --process-label, --mask or --unmask"),
    ("setenv", "use -e NAME=VALUE"),
    ("share-net", "use --net host"),
    ("stop-signal", "nsplan passes on the signals it gets"),
    ("unshare-all", "that is the default"),
    ("unshare-net", "that is the default"),
    ("unshare-user", "use --userns private"),
    ("volumes-from", "use -v SRC:DST"),
];
