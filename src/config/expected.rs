//! What a value of a configuration has to be, one sentence for each kind of value.

use core::fmt;

macro_rules! expected {
    ($($variant:ident = $text:literal;)*) => {
        /// What a value has to be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Expected {
            $(#[doc = $text] $variant,)*
        }

        impl fmt::Display for Expected {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text,)* })
            }
        }
    };
}

expected! {
    BandwidthSchema = "one line that begins with `MB:`";
    BindOption = "an option that a bind mount has";
    ClosId = "a directory name other than `.`, `..`, `info`, `mon_data` and `mon_groups`";
    CopyUp = "it on a tmpfs only";
    DeviceLetter = "`c`, `b`, `u` or `p`";
    DeviceRuleLetter = "`a`, `b` or `c`";
    IoClass = "`IOPRIO_CLASS_RT`, `IOPRIO_CLASS_BE` or `IOPRIO_CLASS_IDLE`";
    MemoryPolicyFlag = "`MPOL_F_NUMA_BALANCING`, `MPOL_F_RELATIVE_NODES` or `MPOL_F_STATIC_NODES`";
    MemoryPolicyMode = "the name of a memory policy like `MPOL_BIND`";
    MountOption = "an option that every mount has";
    NodeList = "a list of memory nodes like `0-1`";
    OciNamespace = "`cgroup`, `ipc`, `mount`, `network`, `pid`, `time`, `user` or `uts`";
    OciVersion = "a version from 1.0.0 on, below 2.0.0";
    PageSize = "a size like `2MB`, with `K`, `M` or `G`";
    Personality = "`LINUX` or `LINUX32`";
    Propagation = "`private`, `shared`, `slave` or `unbindable`";
    RdmaLimit = "`hcaHandles`, `hcaObjects` or both";
    RlimitName = "the name of a resource like `RLIMIT_NOFILE`";
    SchedulerFlag = "the name of a flag like `SCHED_FLAG_RESET_ON_FORK`";
    SchedulerPolicy = "the name of a policy like `SCHED_BATCH`";
    SeccompAction = "the name of an action like `SCMP_ACT_ERRNO`";
    SeccompArch = "an architecture whose calls are known, like `SCMP_ARCH_X86_64`";
    SeccompErrno = "it with `SCMP_ACT_ERRNO` or `SCMP_ACT_TRACE` only";
    SeccompFlag = "the name of a flag like `SECCOMP_FILTER_FLAG_LOG`";
    SeccompOperator = "the name of a comparison like `SCMP_CMP_EQ`";
    SomeNames = "at least one name";
    SeccompWord = "a name of the spec like `SCMP_ARCH_X86_64` or `SECCOMP_FILTER_FLAG_LOG`";
    SemanticVersion = "a semantic version like `1.3.0`";
    Words = "a text that is not empty";
    Access = "letters of `rwm`, each at most once";
    Bool = "true or false";
    Capability = "a capability like `NET_ADMIN`";
    Cidr4 = "an IPv4 address with a prefix length, like `192.0.2.5/24`";
    Cidr6 = "an IPv6 address with a prefix length, like `2001:db8::5/64`";
    Cidr = "an address with a prefix length, like `192.0.2.0/24`";
    ClassId = "a number from 0 to 4294967295, decimal or hexadecimal with `0x`";
    CpuList = "a list like `0-3,8`";
    DeviceKind = "99 (character device), 98 (block device) or 112 (fifo)";
    DeviceRuleKind = "99 (character devices) or 98 (block devices)";
    DeviceLimits = "lines of `major:minor number`";
    Environment = "`NAME=value`";
    Group = "a group";
    HostName = "at most 64 bytes";
    InterfaceName = "a name of 1 to 15 bytes without `/`, `:` and white space";
    Ip4 = "an IPv4 address";
    Ip6 = "an IPv6 address";
    Ip = "an IP address";
    List = "an array";
    Mac = "a unicast hardware address like `02:42:ac:11:00:02`";
    MountType = "`bind` or `tmpfs`";
    NamespaceType = "`NEWIPC`, `NEWNET`, `NEWNS`, `NEWPID`, `NEWUSER` or `NEWUTS`";
    Namespaces = "an array or an object";
    NetworkType = "`loopback` or `veth`";
    Number = "a whole number";
    Object = "an object";
    OneNetwork = "one network when it is joined by path";
    Part = "directory names: 1 to 255 bytes each, neither `.` nor `..`, not beginning with `cgroup.`";
    Path = "a path that begins with `/`";
    Permissions = "permission bits up to 0o7777 (4095), with the file type of the device at most";
    Plain = "a string, a number, true or false";
    Prefix = "a beginning of interface names: 1 to 8 bytes without `/`, `:` and white space";
    Relabel = "`z` (shared) or `Z` (private)";
    Restrictions = "`true` or an empty string";
    Rlimit = "a number of an `RLIMIT_` constant, 0 to 15";
    Source = "an IP address, with or without a prefix length";
    Text = "a string";
    User = "`user`, `user:group` or numbers in their place";
}
