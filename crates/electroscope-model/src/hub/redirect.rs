//! Where a redirect leads, and whether that is the same origin.

use ureq::http::Uri;

/// The address that `location`, the header of an answer from `base`, stands for; none if it is no
/// address of HTTP.
pub(super) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let is_absolute = |start: &str| {
        let found = location.get(..start.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(start))
    };
    let text = if is_absolute("http://") || is_absolute("https://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else if location.split(['/', '?']).next()?.contains(':') {
        // Another scheme.
        return None;
    } else {
        let folder = base
            .path()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let target: Uri = text.parse().ok()?;
    target.host().is_some().then_some(target)
}

/// Whether two addresses have the same scheme, host and port.
pub(super) fn is_same_origin(a: &Uri, b: &Uri) -> bool {
    let port = |uri: &Uri| {
        let usual = match uri.scheme_str() {
            Some("https") => 443,
            _ => 80,
        };
        uri.port_u16().unwrap_or(usual)
    };
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    a.scheme_str() == b.scheme_str() && host(a) == host(b) && port(a) == port(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn a_location_is_read_against_the_address_it_came_from() {
        let base = uri("https://hub.example:8443/org/tiny/resolve/main/a.bin?x=1");
        let resolved = |location| resolve(&base, location).map(|uri| uri.to_string());
        let found = [
            "http://other/b?c#d",
            "HTTPS://other/b",
            "//other:1/b",
            "/b/c",
            "?y=2",
            "b.bin",
            "ftp://other/b",
            "file:/etc/passwd",
            "https://",
        ]
        .map(resolved);
        let wanted = [
            Some("http://other/b?c"),
            Some("https://other/b"),
            Some("https://other:1/b"),
            Some("https://hub.example:8443/b/c"),
            Some("https://hub.example:8443/org/tiny/resolve/main/a.bin?y=2"),
            Some("https://hub.example:8443/org/tiny/resolve/main/b.bin"),
            None,
            None,
            None,
        ];
        assert_eq!(found, wanted.map(|uri| uri.map(str::to_owned)));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let home = uri("https://hub.example/a");
        let same = ["https://hub.example:443/b", "https://HUB.example/"];
        let other = [
            "http://hub.example/a",
            "http://hub.example:443/a",
            "https://hub.example:8443/a",
            "https://cdn.hub.example/a",
        ];
        assert!(same.iter().all(|text| is_same_origin(&home, &uri(text))));
        assert!(other.iter().all(|text| !is_same_origin(&home, &uri(text))));
    }
}
