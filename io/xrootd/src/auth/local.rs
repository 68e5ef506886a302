//! The methods that prove nothing: `unix` and `host`, for servers that believe what they are told by
//! hosts they know (`XrdSecProtocolunix.cc`, `XrdSecProtocolhost.cc`).

use std::env;

use nix::unistd::{Group, User, getegid, geteuid};

use super::{Method, Refusal};

pub(super) struct Unix;

impl Method for Unix {
    fn name(&self) -> &'static str {
        "unix"
    }

    fn start(&mut self) -> Result<Vec<u8>, Refusal> {
        let known = User::from_uid(geteuid()).ok().flatten().map(|user| user.name);
        let user = name(known, |variable| env::var(variable).ok());
        let group = Group::from_gid(getegid()).ok().flatten().map(|group| group.name);
        Ok(unix(user.as_deref(), group.as_deref()))
    }
}

/// The user's name. A static binary knows those of `/etc/passwd` only, where a site may have all its users in
/// a directory service: there the login shell has noted the name.
fn name(known: Option<String>, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let sound = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    known.or_else(|| ["USER", "LOGNAME"].into_iter().filter_map(variable).find(sound))
}

/// `unix\0user group`, as text with an end; `*` for a user without a name.
fn unix(user: Option<&str>, group: Option<&str>) -> Vec<u8> {
    let mut text = format!("unix\0{}", user.unwrap_or("*"));
    if let Some(group) = group {
        text.push(' ');
        text.push_str(group);
    }
    text.push('\0');
    text.into_bytes()
}

pub(super) struct Host;

impl Method for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn start(&mut self) -> Result<Vec<u8>, Refusal> {
        Ok(b"host\0".to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_of_a_directory_service_is_named_by_the_shell() {
        let shell = |variable: &str| (variable == "LOGNAME").then(|| "ada".to_owned());
        assert_eq!(name(Some("root".to_owned()), shell).as_deref(), Some("root"));
        assert_eq!(name(None, shell).as_deref(), Some("ada"));
        assert_eq!(name(None, |_| None), None);
        // What would end the packet's field, or begin another.
        assert_eq!(name(None, |_| Some("a b".to_owned())), None);
    }

    #[test]
    fn the_packets_are_those_of_the_official_client() {
        // Recorded from xrdfs 5.5.3, run as root: the body of its kXR_auth.
        assert_eq!(unix(Some("root"), Some("root")), b"unix\0root root\0");
        // By XrdSecProtocolunix.cc.
        assert_eq!(unix(None, None), b"unix\0*\0");
        assert_eq!(Host.start().unwrap(), b"host\0");
    }
}
