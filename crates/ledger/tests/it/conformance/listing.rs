//! Pages of keys, against the simplest code that could be right.

use std::{collections::BTreeSet, sync::Arc};

use bucketbell_ledger::{ChangeKind, Listing, ListingQuery};
use proptest::{
    collection::{btree_set, vec},
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::{runtime::Handle, task::JoinSet};

use crate::{
    fixture::{House, object},
    store::Store,
};

/// What a page shows, in one list: keys as they are, common prefixes marked.
fn items(listing: &Listing) -> BTreeSet<(String, bool)> {
    let keys = listing.objects.iter().map(|object| (object.key.clone(), false));
    keys.chain(listing.common_prefixes.iter().map(|prefix| (prefix.clone(), true))).collect()
}

/// Returns the part of `key` up to and with the first delimiter after the prefix.
fn common(query: &ListingQuery, key: &str) -> Option<String> {
    let rest = key.strip_prefix(&query.prefix).filter(|_| !query.delimiter.is_empty())?;
    let (head, _) = rest.split_once(&query.delimiter)?;
    Some(format!("{}{head}{}", query.prefix, query.delimiter))
}

/// Lists all keys by looking at each of them. Returns what is on the page, and the `after` of the next.
fn model(keys: &BTreeSet<String>, query: &ListingQuery) -> (BTreeSet<(String, bool)>, Option<String>) {
    let mut page: Vec<(String, bool)> = Vec::new();
    let passed = common(query, &query.after).filter(|prefix| *prefix == query.after);
    for key in keys.iter().filter(|key| key.starts_with(&query.prefix) && **key > query.after) {
        if passed.as_ref().is_some_and(|prefix| key.starts_with(prefix)) {
            continue;
        }
        let item = common(query, key).map_or_else(|| (key.clone(), false), |prefix| (prefix, true));
        if page.last() == Some(&item) {
            continue;
        }
        if page.len() == query.max_keys {
            return (page.iter().cloned().collect(), page.last().map(|(text, _)| text.clone()));
        }
        page.push(item);
    }
    (page.into_iter().collect(), None)
}

fn queries() -> impl Strategy<Value = Vec<ListingQuery>> {
    let text = "[ab/ü~]{0,3}";
    let delimiter = prop_oneof![Just(""), Just("/"), Just("//"), Just("a"), Just("ab"), Just("ü")];
    let query =
        (text, delimiter, text, prop_oneof![0usize..5, Just(1000)]).prop_map(|(prefix, delimiter, after, max_keys)| {
            ListingQuery { prefix, delimiter: delimiter.into(), after, max_keys }
        });
    vec(query, 1..40)
}

pub async fn a_listing_is_what_a_naive_model_lists(store: &impl Store) {
    let house = Arc::new(House::open(store).await);
    let handle = Handle::current();
    let mut round = 0;
    let test = |(keys, queries): (BTreeSet<String>, Vec<ListingQuery>)| {
        round += 1;
        tokio::task::block_in_place(|| handle.block_on(check(&house, &format!("bucket-{round}"), keys, queries)))
    };
    // The closure counts rounds, and the runner wants one that does not: a cell would say no more.
    let test = std::cell::RefCell::new(test);
    let config = Config { cases: 10, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let strategy = (btree_set("[ab/ü~]{1,5}", 0..30), queries());
    let result = TestRunner::new(config).run(&strategy, |input| (*test.borrow_mut())(input));
    if let Err(error) = result {
        panic!("{error}");
    }
}

async fn check(
    house: &Arc<House>,
    bucket: &str,
    keys: BTreeSet<String>,
    queries: Vec<ListingQuery>,
) -> Result<(), TestCaseError> {
    house.make_bucket(bucket).await.expect("a new bucket");
    let mut puts = JoinSet::new();
    for key in keys.clone() {
        let (house, bucket) = (Arc::clone(house), bucket.to_owned());
        puts.spawn(async move { house.commit(ChangeKind::PutObject(object(&bucket, &key))).await });
    }
    prop_assert!(puts.join_all().await.iter().all(Result::is_ok));
    for query in queries {
        let listing = house.ledger.list(bucket, query.clone()).await.expect("a page");
        let (page, next) = model(&keys, &query);
        prop_assert_eq!((items(&listing), &listing.next), (page, &next), "{:?}", query);
        prop_assert!(listing.objects.is_sorted_by(|a, b| a.key < b.key));
        prop_assert!(listing.common_prefixes.is_sorted_by(|a, b| a < b));
        paging_gives_everything_once(house, bucket, &keys, query).await?;
    }
    Ok(())
}

async fn paging_gives_everything_once(
    house: &House,
    bucket: &str,
    keys: &BTreeSet<String>,
    query: ListingQuery,
) -> Result<(), TestCaseError> {
    let (whole, _) = model(keys, &ListingQuery { max_keys: usize::MAX, ..query.clone() });
    let mut query = ListingQuery { max_keys: query.max_keys.clamp(1, 3), ..query };
    let mut seen = BTreeSet::new();
    loop {
        let listing = house.ledger.list(bucket, query.clone()).await.expect("a page");
        for item in items(&listing) {
            prop_assert!(seen.insert(item.clone()), "{:?} came twice: {:?}", item, query);
        }
        match listing.next.clone() {
            Some(next) => {
                // Not always after the one before: a common prefix sorts before the keys in it that a first page starts at.
                prop_assert!(!items(&listing).is_empty(), "paging goes on");
                query.after = next;
            }
            None => break,
        }
    }
    prop_assert_eq!(seen, whole);
    Ok(())
}

pub async fn a_page_holds_no_more_than_a_thousand_and_the_next_goes_on(store: &impl Store) {
    let house = Arc::new(House::open(store).await);
    let mut puts = JoinSet::new();
    for number in 0..1003 {
        let house = Arc::clone(&house);
        puts.spawn(async move { house.put(&format!("{number:04}")).await });
    }
    puts.join_all().await;
    let query = ListingQuery { max_keys: 5000, ..ListingQuery::default() };
    let first = house.ledger.list(crate::fixture::BUCKET, query.clone()).await.expect("a page");
    assert_eq!((first.objects.len(), first.next.as_deref()), (1000, Some("0999")));
    let query = ListingQuery { after: "0999".into(), ..query };
    let second = house.ledger.list(crate::fixture::BUCKET, query).await.expect("a page");
    assert_eq!((second.objects.len(), second.next), (3, None));
    assert!(second.objects.iter().all(|object| object.content.is_none()));
}
