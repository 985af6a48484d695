//! Chromium's command line: our own flags, and which of a client's may be added.

use camino::Utf8Path;

/// Flags of every session: no screen, no talk to the outside, no crash reports, no first-run pages, no throttling of
/// what is not seen.
const OURS: &[&str] = &[
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-features=DialMediaRouteProvider,MediaRouter,OptimizationHints,Translate",
    "--disable-hang-monitor",
    "--disable-renderer-backgrounding",
    "--disable-search-engine-choice-screen",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--metrics-recording-only",
    "--mute-audio",
    "--password-store=basic",
];

/// What a value must look like.
#[derive(Clone, Copy)]
enum Value {
    /// There is none.
    None,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Only characters for which this holds, and at least one.
    Chars(fn(char) -> bool),
}

/// What a client may ask for: how pages look and how they may behave. Nothing that runs or loads a program, names a
/// file or a debugging address, or changes which profile, proxy, resolver or sandbox is used.
const ALLOWED: &[(&str, Value)] = &[
    ("accept-lang", Value::Chars(|c| c.is_ascii_alphanumeric() || "-,;=.".contains(c))),
    ("allow-running-insecure-content", Value::None),
    ("autoplay-policy", Value::OneOf(&["no-user-gesture-required", "user-gesture-required"])),
    ("disable-2d-canvas-clip-aa", Value::None),
    ("disable-accelerated-2d-canvas", Value::None),
    ("disable-background-timer-throttling", Value::None),
    ("disable-backgrounding-occluded-windows", Value::None),
    ("disable-blink-features", Value::OneOf(&["AutomationControlled"])),
    ("disable-dev-shm-usage", Value::None),
    ("disable-extensions", Value::None),
    ("disable-font-subpixel-positioning", Value::None),
    ("disable-gpu", Value::None),
    ("disable-infobars", Value::None),
    ("disable-lcd-text", Value::None),
    ("disable-notifications", Value::None),
    ("disable-popup-blocking", Value::None),
    ("disable-renderer-backgrounding", Value::None),
    ("disable-smooth-scrolling", Value::None),
    ("disable-web-security", Value::None),
    ("enable-automation", Value::None),
    ("enable-font-antialiasing", Value::None),
    ("enable-unsafe-swiftshader", Value::None),
    ("font-render-hinting", Value::OneOf(&["none", "slight", "medium", "full", "max"])),
    ("force-color-profile", Value::OneOf(&["srgb", "display-p3-d65", "color-spin-gamma24", "generic-rgb"])),
    ("force-device-scale-factor", Value::Chars(|c| c.is_ascii_digit() || c == '.')),
    ("force-prefers-reduced-motion", Value::None),
    ("headless", Value::OneOf(&["new", "shell", "true"])),
    ("hide-scrollbars", Value::None),
    ("ignore-certificate-errors", Value::None),
    ("lang", Value::Chars(|c| c.is_ascii_alphanumeric() || "-_".contains(c))),
    ("mute-audio", Value::None),
    ("no-default-browser-check", Value::None),
    ("no-first-run", Value::None),
    ("start-maximized", Value::None),
    ("use-angle", Value::OneOf(&["swiftshader"])),
    ("use-gl", Value::OneOf(&["angle"])),
    ("user-agent", Value::Chars(|c| c == ' ' || c.is_ascii_graphic())),
    ("window-position", Value::Chars(|c| c.is_ascii_digit() || c == ',')),
    ("window-size", Value::Chars(|c| c.is_ascii_digit() || c == ',')),
];

/// Longest argument that is looked at, in bytes; a user agent is the longest sensible one.
const LONGEST: usize = 1024;

/// Whether a client's `argument` may be given to Chromium.
pub(super) fn is_allowed(argument: &str) -> bool {
    let Some(flag) = argument.strip_prefix("--").filter(|_| argument.len() <= LONGEST) else { return false };
    let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
    let Some((_, allowed)) = ALLOWED.iter().find(|(allowed, _)| *allowed == name) else { return false };
    match (allowed, value) {
        (Value::None, None) => true,
        // `--headless` alone is the usual way to write it.
        (Value::OneOf(_), None) => name == "headless",
        (Value::OneOf(values), Some(value)) => values.contains(&value),
        (Value::Chars(allowed), Some(value)) => !value.is_empty() && value.chars().all(allowed),
        (Value::None, Some(_)) | (Value::Chars(_), None) => false,
    }
}

/// What the machine decides about every session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traits {
    /// Chromium's own sandbox works.
    pub(super) sandbox: bool,
    /// `/dev/shm` is too small for a page's shared memory.
    pub(super) small_shm: bool,
}

/// The whole command line of a session; `asked` are a client's arguments that are allowed.
pub(super) fn command_line(profile: &Utf8Path, traits: Traits, asked: &[String]) -> Vec<String> {
    let mut line: Vec<String> = OURS.iter().map(|flag| (*flag).to_owned()).collect();
    // A mode of headless is a matter of the program, not of the client.
    line.extend(asked.iter().filter(|flag| !flag.starts_with("--headless")).cloned());
    line.push(format!("--user-data-dir={profile}"));
    if !traits.sandbox {
        line.push("--no-sandbox".to_owned());
    }
    if traits.small_shm {
        line.push("--disable-dev-shm-usage".to_owned());
    }
    line.push("about:blank".to_owned());
    line
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("--window-size=1400,900", true)]
    #[case("--lang=en-GB", true)]
    #[case("--hide-scrollbars", true)]
    #[case("--headless=new", true)]
    #[case("--font-render-hinting=none", true)]
    #[case("--user-agent=Mozilla/5.0 (X11)", true)]
    #[case("--hide-scrollbars=1", false)]
    #[case("--window-size", false)]
    #[case("--window-size=", false)]
    #[case("--window-size=1,2 --no-sandbox", false)]
    #[case("--user-agent=a\n--no-sandbox", false)]
    #[case("--renderer-cmd-prefix=xterm -e gdb", false)]
    #[case("--gpu-launcher=/bin/sh", false)]
    #[case("--utility-cmd-prefix=sh", false)]
    #[case("--load-extension=/tmp/x", false)]
    #[case("--user-data-dir=/home/a/.config/chromium", false)]
    #[case("--remote-debugging-port=9222", false)]
    #[case("--remote-debugging-address=0.0.0.0", false)]
    #[case("--remote-allow-origins=*", false)]
    #[case("--no-sandbox", false)]
    #[case("--disable-features=Sandbox", false)]
    #[case("--proxy-server=evil:1", false)]
    #[case("--host-resolver-rules=MAP * evil", false)]
    #[case("--allow-file-access-from-files", false)]
    #[case("-window-size=1,1", false)]
    #[case("window-size=1,1", false)]
    #[case("http://example.org", false)]
    #[case("--Window-Size=1,1", false)]
    #[case("--", false)]
    #[case("", false)]
    fn only_what_changes_the_look_is_allowed(#[case] argument: &str, #[case] allowed: bool) {
        assert_eq!(is_allowed(argument), allowed);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_allowed_is_one_flag_of_the_list(argument in ".{0,64}") {
            if is_allowed(&argument) {
                let name = argument.trim_start_matches("--").split('=').next().unwrap_or_default().to_owned();
                proptest::prop_assert!(ALLOWED.iter().any(|(allowed, _)| *allowed == name));
                proptest::prop_assert!(!argument.contains(['\0', '\n']));
            }
        }
    }
}
