//! Requests to rtnetlink, as strace decodes them or as bytes, become one line each.

use crate::strace::bytes;

const KINDS: &[(u16, &str)] = &[
    (16, "RTM_NEWLINK"),
    (17, "RTM_DELLINK"),
    (18, "RTM_GETLINK"),
    (19, "RTM_SETLINK"),
    (20, "RTM_NEWADDR"),
    (24, "RTM_NEWROUTE"),
];

/// strace knows what a socket is about only in its own network namespace; elsewhere the body is bytes.
pub(crate) fn message(socket: &str, arg: &str) -> String {
    let kind = arg.split_once("nlmsg_type=").map_or("", |(_, rest)| rest);
    let word = kind.split([',', ' ']).next().unwrap_or_default();
    let number = word.strip_prefix("0x").and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let named = number.and_then(|number| KINDS.iter().find(|(known, _)| *known == number));
    let kind = named.map_or(word, |(_, name)| name);
    let side = socket.strip_prefix("socket ").unwrap_or(socket);
    let raw = arg.split_once("nlmsg_pid=0}, ").map_or("", |(_, body)| body.trim_end_matches(']'));
    let detail = match (bytes(raw), kind) {
        (Some(body), "RTM_SETLINK") => raw_link(&body),
        (None, "RTM_SETLINK") => link(arg),
        _ => String::new(),
    };
    format!("{kind} {side}{detail}")
}

/// What strace has decoded.
fn link(arg: &str) -> String {
    let value = |key: &str| {
        let (_, rest) = arg.split_once(&format!("nla_type={key}}}, "))?;
        Some(rest.split([',', ']']).next().unwrap_or_default().trim_matches('"').to_owned())
    };
    let name = value("IFLA_IFNAME").unwrap_or_default();
    let what = match (value("IFLA_MTU"), value("IFLA_MASTER"), value("IFLA_ADDRESS")) {
        (Some(mtu), ..) => format!("mtu {mtu}"),
        (_, Some(_), _) => "master".into(),
        (.., Some(_)) => "address".into(),
        _ if arg.contains("ifi_flags=IFF_UP") => "up".into(),
        _ => "?".into(),
    };
    format!(" {} {what}", without_drawn_names(&name))
}

/// `struct ifinfomsg`, then attributes of four bytes and more, each padded to four.
fn raw_link(body: &[u8]) -> String {
    let flags = body.get(8..12).map_or(0, |word| word[0]);
    let (mut name, mut what) = (String::new(), if flags & 1 == 1 { "up" } else { "?" }.to_owned());
    let mut rest = body.get(16..).unwrap_or_default();
    while let [l0, l1, t0, t1, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*l0, *l1]));
        let value = after.get(..length.saturating_sub(4)).unwrap_or_default();
        match (u16::from_le_bytes([*t0, *t1]), value) {
            (3, value) => name = String::from_utf8_lossy(value).trim_end_matches('\0').into(),
            (4, &[a, b, c, d]) => what = format!("mtu {}", u32::from_le_bytes([a, b, c, d])),
            (10, _) => what = "master".into(),
            (1, _) => what = "address".into(),
            _ => {}
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..).unwrap_or_default();
    }
    format!(" {} {what}", without_drawn_names(&name))
}

/// A drawn name is another one each time: `veth` and seven digits, anywhere in a text.
pub(crate) fn without_drawn_names(text: &str) -> String {
    let mut parts = text.split("veth");
    let mut said = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_drawn = part.len() >= 7 && part.bytes().take(7).all(|b| b.is_ascii_hexdigit());
        said.push_str(if is_drawn { "veth…" } else { "veth" });
        said.push_str(if is_drawn { &part[7..] } else { part });
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_or_not_a_request_reads_the_same() {
        let header = "[{nlmsg_len=52, nlmsg_type=RTM_SETLINK, nlmsg_seq=4, nlmsg_pid=0}, ";
        let decoded = r#"{ifi_family=AF_UNSPEC, ifi_flags=0}, [[{nla_len=16, nla_type=IFLA_IFNAME}, "vethb80d3f1"], [{nla_len=8, nla_type=IFLA_MTU}, 1500]]]"#;
        let decoded = message("socket host", &format!("{header}{decoded}"));
        assert_eq!(decoded, "RTM_SETLINK host veth… mtu 1500");
        let header = "[{nlmsg_len=52, nlmsg_type=0x13 /* NLMSG_??? */, nlmsg_pid=0}, ";
        let zeros = r"\x00".repeat(16);
        let raw = format!(
            r#"{header}"{zeros}\x09\x00\x03\x00\x65\x74\x68\x30\x00\x00\x00\x00\x08\x00\x04\x00\xdc\x05\x00\x00"]"#
        );
        assert_eq!(message("socket inside", &raw), "RTM_SETLINK inside eth0 mtu 1500");
    }
}
