//! Listing the keys of a bucket, in S3's two versions of it.
//!
//! A key may hold characters that XML 1.0 cannot carry. Clients that know this ask for `encoding-type=url` (boto3 and the
//! AWS CLI always do). To one that does not ask, a page that holds such a name is answered url-encoded all the same, and
//! says so in its `EncodingType`: one such key must not make the whole bucket unlistable. All other pages are as asked.

use bucketbell_ledger::{Listing, ListingQuery, ObjectRecord};
use s3s::{S3Request, S3Response, S3Result, dto, s3_error};

use crate::{
    doorman::of_request,
    exchange::Exchange,
    failure,
    gateway::Backend,
    text::{after_token, canonical_id, fits_xml, page_token, s3_time, url_encoded},
};

/// Keys and common prefixes on one page, at most and when nothing is asked for.
const PAGE_MAX: usize = 1_000;

/// How names are written in the answer.
#[derive(Clone, Copy)]
struct Encoding {
    url: bool,
}

impl Backend {
    pub(crate) async fn list_objects(
        &self,
        request: S3Request<dto::ListObjectsInput>,
    ) -> S3Result<S3Response<dto::ListObjectsOutput>> {
        let exchange = of_request(&request.extensions)?;
        let input = request.input;
        let encoding = Encoding::asked(input.encoding_type.as_ref())?;
        let max_keys = page_size(input.max_keys)?;
        let query = ListingQuery {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().unwrap_or_default(),
            after: input.marker.clone().unwrap_or_default(),
            max_keys,
        };
        let owner = Some(self.owner(&exchange, &input.bucket).await?);
        let page = self.page(&exchange, &input.bucket, query).await?;
        let encoding = encoding.fitting(&page, [&input.prefix, &input.delimiter, &input.marker]);
        Ok(S3Response::new(dto::ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encoding.name(input.prefix.unwrap_or_default())),
            marker: Some(encoding.name(input.marker.unwrap_or_default())),
            max_keys: Some(in_answer(max_keys)),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.map(|next| encoding.name(next)),
            contents: contents(page.objects, encoding, owner.as_ref()),
            common_prefixes: common_prefixes(page.common_prefixes, encoding),
            delimiter: given(input.delimiter).map(|delimiter| encoding.name(delimiter)),
            encoding_type: encoding.answered(),
            ..Default::default()
        }))
    }

    pub(crate) async fn list_objects_v2(
        &self,
        request: S3Request<dto::ListObjectsV2Input>,
    ) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
        let exchange = of_request(&request.extensions)?;
        let input = request.input;
        let encoding = Encoding::asked(input.encoding_type.as_ref())?;
        let max_keys = page_size(input.max_keys)?;
        let after = match input.continuation_token.as_deref() {
            Some(token) => after_token(token)
                .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect."))?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let query = ListingQuery {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().unwrap_or_default(),
            after,
            max_keys,
        };
        let owner = match input.fetch_owner {
            Some(true) => Some(self.owner(&exchange, &input.bucket).await?),
            _ => None,
        };
        let page = self.page(&exchange, &input.bucket, query).await?;
        let encoding = encoding.fitting(&page, [&input.prefix, &input.delimiter, &input.start_after]);
        Ok(S3Response::new(dto::ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encoding.name(input.prefix.unwrap_or_default())),
            max_keys: Some(in_answer(max_keys)),
            key_count: Some(in_answer(page.objects.len() + page.common_prefixes.len())),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_deref().map(page_token),
            contents: contents(page.objects, encoding, owner.as_ref()),
            common_prefixes: common_prefixes(page.common_prefixes, encoding),
            delimiter: given(input.delimiter).map(|delimiter| encoding.name(delimiter)),
            encoding_type: encoding.answered(),
            start_after: given(input.start_after).map(|after| encoding.name(after)),
            ..Default::default()
        }))
    }

    async fn page(&self, exchange: &Exchange, bucket: &str, query: ListingQuery) -> S3Result<Listing> {
        self.ledger.list(bucket, query).await.map_err(|error| failure::of_commit(exchange, &error))
    }

    async fn owner(&self, exchange: &Exchange, bucket: &str) -> S3Result<dto::Owner> {
        let bucket = self.bucket(exchange, bucket).await?;
        Ok(dto::Owner { display_name: Some(bucket.owner_name), id: Some(canonical_id(bucket.owner)) })
    }
}

impl Encoding {
    fn asked(encoding: Option<&dto::EncodingType>) -> S3Result<Self> {
        match encoding.map(dto::EncodingType::as_str) {
            None => Ok(Self { url: false }),
            Some(dto::EncodingType::URL) => Ok(Self { url: true }),
            Some(_) => Err(s3_error!(InvalidArgument, "The encoding type must be `url`.")),
        }
    }

    /// Returns the encoding that a page can be written in: this one, or url encoding where a name needs it.
    fn fitting(self, page: &Listing, asked: [&Option<String>; 3]) -> Self {
        let keys = page.objects.iter().map(|record| &record.key);
        let mut names = keys.chain(&page.common_prefixes).chain(&page.next).chain(asked.into_iter().flatten());
        Self { url: self.url || names.any(|name| !name.chars().all(fits_xml)) }
    }

    fn answered(self) -> Option<dto::EncodingType> {
        self.url.then(|| dto::EncodingType::from_static(dto::EncodingType::URL))
    }

    fn name(self, name: String) -> String {
        if self.url { url_encoded(&name) } else { name }
    }
}

fn page_size(asked: Option<i32>) -> S3Result<usize> {
    match asked.map(usize::try_from) {
        None => Ok(PAGE_MAX),
        Some(Ok(asked)) => Ok(asked.min(PAGE_MAX)),
        Some(Err(_)) => Err(s3_error!(InvalidArgument, "max-keys must not be negative.")),
    }
}

/// Returns a count as S3 writes it. It is never above twice [`PAGE_MAX`].
fn in_answer(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn contents(records: Vec<ObjectRecord>, encoding: Encoding, owner: Option<&dto::Owner>) -> Option<dto::ObjectList> {
    let object = |record: ObjectRecord| dto::Object {
        checksum_type: record
            .checksum
            .is_some()
            .then(|| dto::ChecksumType::from_static(dto::ChecksumType::FULL_OBJECT)),
        checksum_algorithm: record.checksum.map(|checksum| vec![checksum.algorithm.into()]),
        e_tag: Some(dto::ETag::Strong(record.etag)),
        key: Some(encoding.name(record.key)),
        last_modified: Some(s3_time(record.last_modified)),
        owner: owner.cloned(),
        size: i64::try_from(record.size).ok(),
        storage_class: Some(dto::ObjectStorageClass::from_static(dto::ObjectStorageClass::STANDARD)),
        ..Default::default()
    };
    Some(records.into_iter().map(object).collect())
}

fn common_prefixes(prefixes: Vec<String>, encoding: Encoding) -> Option<dto::CommonPrefixList> {
    Some(prefixes.into_iter().map(|prefix| dto::CommonPrefix { prefix: Some(encoding.name(prefix)) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_at_most_a_thousand_names() {
        assert_eq!(page_size(None).unwrap(), 1_000);
        assert_eq!(page_size(Some(0)).unwrap(), 0);
        assert_eq!(page_size(Some(7)).unwrap(), 7);
        assert_eq!(page_size(Some(i32::MAX)).unwrap(), 1_000);
        assert_eq!(page_size(Some(-1)).unwrap_err().code().as_str(), "InvalidArgument");
    }
}
