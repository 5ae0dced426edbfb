//! Conditions of a read (RFC 9110 §13) and of a write.

use bucketbell_ledger::{ObjectRecord, WritePrecondition};
use s3s::{
    S3Result,
    dto::{ETag, ETagCondition, Timestamp},
    s3_error,
};

use crate::text::s3_seconds;

/// What must be true of an object for it to be answered.
#[derive(Debug, Default)]
pub(crate) struct ReadCondition {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

/// What to answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Answer,
    /// 304: the client has it.
    NotModified,
    /// 412.
    Failed,
}

impl ReadCondition {
    /// Judges in the order of RFC 9110 §13.2.2: a date counts only where no ETag was given.
    pub(crate) fn judge(&self, record: &ObjectRecord) -> Verdict {
        let current = ETag::Strong(record.etag.clone());
        let modified = s3_seconds(record.last_modified);
        let holds = match (&self.if_match, &self.if_unmodified_since) {
            (Some(ETagCondition::Any), _) | (None, None) => true,
            (Some(ETagCondition::ETag(wanted)), _) => wanted.strong_cmp(&current),
            (None, Some(date)) => modified <= *date,
        };
        if !holds {
            return Verdict::Failed;
        }
        let known = match (&self.if_none_match, &self.if_modified_since) {
            (Some(ETagCondition::Any), _) => true,
            (Some(ETagCondition::ETag(known)), _) => known.weak_cmp(&current),
            (None, Some(date)) => modified <= *date,
            (None, None) => false,
        };
        if known { Verdict::NotModified } else { Verdict::Answer }
    }
}

/// Reads the condition of a write.
///
/// # Errors
///
/// `NotImplemented` for what S3 does not take either: `If-None-Match` with an ETag, and both at once.
pub(crate) fn of_write(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<WritePrecondition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(WritePrecondition::None),
        (None, Some(ETagCondition::Any)) => Ok(WritePrecondition::Absent),
        (Some(ETagCondition::Any), None) => Ok(WritePrecondition::Matches("*".to_owned())),
        (Some(ETagCondition::ETag(wanted)), None) => Ok(WritePrecondition::Matches(wanted.into_value())),
        (None, Some(ETagCondition::ETag(_))) => {
            Err(s3_error!(NotImplemented, "If-None-Match of a write takes `*` only."))
        }
        (Some(_), Some(_)) => Err(s3_error!(NotImplemented, "A write takes If-Match or If-None-Match, not both.")),
    }
}

#[cfg(test)]
mod tests {
    use bucketbell_event::{Metadata, Sequencer};
    use bucketbell_ledger::ContentHeaders;
    use s3s::dto::TimestampFormat;

    use super::*;

    /// Modified at 03:04:05.678 on 2 January 2026.
    fn record() -> ObjectRecord {
        let sequencer = Sequencer::from_u64(1_767_323_045_678_912);
        ObjectRecord {
            key: "k".into(),
            sequencer,
            size: 0,
            etag: "aa".into(),
            last_modified: sequencer.timestamp(),
            content_type: None,
            headers: ContentHeaders::default(),
            metadata: Metadata::new(),
            checksum: None,
            content: None,
        }
    }

    fn tag(text: &str) -> Option<ETagCondition> {
        Some(ETagCondition::parse_http_header(text.as_bytes()).unwrap())
    }

    fn date(seconds: u32) -> Option<Timestamp> {
        let text = format!("Fri, 02 Jan 2026 03:04:{seconds:02} GMT");
        Some(Timestamp::parse(TimestampFormat::HttpDate, &text).unwrap())
    }

    #[test]
    fn conditions_are_judged_as_the_rfc_says() {
        use Verdict::{Answer, Failed, NotModified};
        let none = ReadCondition::default;
        for (condition, verdict) in [
            (none(), Answer),
            (ReadCondition { if_match: tag("\"aa\""), ..none() }, Answer),
            (ReadCondition { if_match: tag("*"), ..none() }, Answer),
            (ReadCondition { if_match: tag("\"bb\""), ..none() }, Failed),
            (ReadCondition { if_match: tag("W/\"aa\""), ..none() }, Failed),
            (ReadCondition { if_none_match: tag("\"aa\""), ..none() }, NotModified),
            (ReadCondition { if_none_match: tag("W/\"aa\""), ..none() }, NotModified),
            (ReadCondition { if_none_match: tag("*"), ..none() }, NotModified),
            (ReadCondition { if_none_match: tag("\"bb\""), ..none() }, Answer),
            (ReadCondition { if_modified_since: date(4), ..none() }, Answer),
            // The header cannot say 05.678: an object of that second is what the client has.
            (ReadCondition { if_modified_since: date(5), ..none() }, NotModified),
            (ReadCondition { if_unmodified_since: date(5), ..none() }, Answer),
            (ReadCondition { if_unmodified_since: date(4), ..none() }, Failed),
            // An ETag outranks a date.
            (ReadCondition { if_match: tag("\"aa\""), if_unmodified_since: date(4), ..none() }, Answer),
            (ReadCondition { if_none_match: tag("\"bb\""), if_modified_since: date(6), ..none() }, Answer),
            (ReadCondition { if_match: tag("\"bb\""), if_none_match: tag("\"aa\""), ..none() }, Failed),
        ] {
            assert_eq!(condition.judge(&record()), verdict, "{condition:?}");
        }
    }

    #[test]
    fn a_write_takes_the_conditions_that_s3_takes() {
        assert_eq!(of_write(None, None).unwrap(), WritePrecondition::None);
        assert_eq!(of_write(None, tag("*")).unwrap(), WritePrecondition::Absent);
        assert_eq!(of_write(tag("*"), None).unwrap(), WritePrecondition::Matches("*".into()));
        assert_eq!(of_write(tag("\"aa\""), None).unwrap(), WritePrecondition::Matches("aa".into()));
        assert_eq!(of_write(None, tag("\"aa\"")).unwrap_err().code().as_str(), "NotImplemented");
        assert_eq!(of_write(tag("*"), tag("*")).unwrap_err().code().as_str(), "NotImplemented");
    }
}
