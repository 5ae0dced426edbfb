//! From `notifications.endpoints` to the server's rules.

use std::collections::HashMap;

use anyhow::{Context, bail};
use bucketbell_rule::{Draft, Rule, RuleId};

/// Bounds what every change of every bucket is matched against.
const ENDPOINTS_MAX: usize = 256;

/// Returns the rules of the configuration file, in its order. An endpoint is its name, else its url, and keeps its queue
/// across restarts as long as that stays the same (B8). Two spellings of one url are one url.
///
/// # Errors
///
/// The first endpoint that is refused, by its place, or two that cannot be told apart.
pub fn server_rules(endpoints: &[Draft]) -> anyhow::Result<Vec<Rule>> {
    if endpoints.len() > ENDPOINTS_MAX {
        bail!("notifications.endpoints: {} are too many: at most {ENDPOINTS_MAX}", endpoints.len());
    }
    let (mut rules, mut seen) = (Vec::with_capacity(endpoints.len()), HashMap::new());
    for (index, draft) in endpoints.iter().enumerate() {
        let place = || format!("notifications.endpoints[{index}]");
        if draft.id.is_some() {
            bail!("{}: `id`: endpoints of the configuration file are known by name or url: leave it out", place());
        }
        let unidentified = RuleId::from_bytes([0; 16]);
        let mut rule = draft.validate(unidentified, None).with_context(place)?;
        let identity = rule.name.clone().unwrap_or_else(|| rule.target.url.to_string());
        rule.id = RuleId::of_server_rule(&identity);
        if let Some(other) = seen.insert(identity, index) {
            let what = if rule.name.is_some() { "the same name" } else { "the same url and no name" };
            bail!("{} and [{other}] have {what}: give each its own `name`", place());
        }
        rules.push(rule);
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(name: Option<&str>, url: &str) -> Draft {
        Draft { name: name.map(str::to_owned), url: url.to_owned(), events: vec!["*".to_owned()], ..Draft::default() }
    }

    #[test]
    fn endpoints_are_told_apart_by_name_else_by_url() {
        let rules =
            server_rules(&[draft(None, "http://a/"), draft(Some("b"), "http://a/"), draft(Some("c"), "http://a/")]);
        let rules = rules.expect("B8: names tell them apart");
        assert_eq!(rules.len(), 3);
        assert_eq!(rules[0].id, RuleId::of_server_rule("http://a/"));
        for twice in [
            [draft(None, "http://a/"), draft(None, "http://a/")],
            [draft(None, "http://a"), draft(None, "http://a/")],
            [draft(Some("x"), "http://a/"), draft(Some("x"), "http://b/")],
        ] {
            let error = server_rules(&twice).expect_err("B8").to_string();
            assert!(error.contains("[0]") && error.contains("`name`"), "{error}");
        }
    }

    /// Guards against an id made of the text as it was typed: a `/` added to the file left the queue behind.
    #[test]
    fn an_endpoint_keeps_its_id_however_its_url_is_spelled() {
        let id = |name, url| server_rules(&[draft(name, url)]).expect("B8")[0].id;
        for url in ["https://h", "https://h/", "HTTPS://H:443/", "https://h/./"] {
            assert_eq!(id(None, url), id(None, "https://h/"), "{url}");
        }
        assert_ne!(id(None, "https://h/a"), id(None, "https://h/"));
        assert_ne!(id(None, "http://h/"), id(None, "https://h/"));
        assert_eq!(id(Some("x"), "https://h"), id(Some("x"), "https://other/"), "a name stays whatever its url");
    }

    #[test]
    fn a_refused_endpoint_is_named_by_its_place() {
        let error = server_rules(&[draft(None, "http://a/"), draft(None, "ftp://a/")]).expect_err("ftp");
        assert!(format!("{error:#}").contains("endpoints[1]: `url`"), "{error:#}");
        let id = Draft { id: Some(RuleId::from_bytes([1; 16])), ..draft(None, "http://a/") };
        assert!(server_rules(&[id]).is_err());
        let many: Vec<Draft> = (0..=ENDPOINTS_MAX).map(|index| draft(None, &format!("http://a/{index}"))).collect();
        assert!(server_rules(&many).is_err());
    }
}
