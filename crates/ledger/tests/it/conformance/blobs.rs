//! The journal of large bodies: what a crash leaves is found, what an object has is never removed (OB-2, Y2).

use std::time::Duration;

use bucketbell_ledger::{CommitError, Content};

use crate::{
    fixture::{DAY, House, blob},
    store::Store,
};

pub async fn what_an_earlier_instance_staged_is_removable_and_what_this_one_staged_is_not(store: &impl Store) {
    let house = House::open(store).await;
    house.join().await;
    house.ledger.stage_blob(blob(1)).await.expect("staging");
    house.ledger.stage_blob(blob(2)).await.expect("staging");
    house.put_content("b", Content::Blob(blob(2)), 100_000).await.expect("a put");
    assert!(house.ledger.removable_blobs(Duration::ZERO, 9).await.expect("blobs").is_empty(), "still being written");
    let house = house.reopen(store).await;
    house.ledger.stage_blob(blob(3)).await.expect("staging");
    let before = house.ledger.removable_blobs(Duration::ZERO, 9).await.expect("blobs");
    assert!(!before.contains(&blob(3)), "written by this process, joined or not");
    house.join().await;
    house.ledger.stage_blob(blob(4)).await.expect("staging");
    assert!(house.ledger.removable_blobs(DAY, 0).await.expect("blobs").is_empty());
    let removable = house.ledger.removable_blobs(DAY, 9).await.expect("blobs");
    assert!(removable.contains(&blob(1)), "{removable:?}");
    assert!(!removable.contains(&blob(2)) && !removable.contains(&blob(4)), "{removable:?}");
    let again = house.ledger.removable_blobs(DAY, 9).await.expect("blobs");
    assert_eq!(again, removable, "until it is forgotten");
    house.ledger.forget_blobs(removable).await.expect("forgetting");
    assert!(house.ledger.removable_blobs(DAY, 9).await.expect("blobs").is_empty());
}

pub async fn a_live_blob_is_never_removable_and_a_freed_one_only_after_its_time(store: &impl Store) {
    let house = House::open(store).await;
    house.join().await;
    for number in 1..=3 {
        house.ledger.stage_blob(blob(number)).await.expect("staging");
        house.put_content("a", Content::Blob(blob(number)), 100_000).await.expect("a put");
    }
    assert_eq!(house.get("a").await.expect("an object").content, Some(Content::Blob(blob(3))));
    house.clock.advance(DAY);
    assert!(house.ledger.removable_blobs(DAY, 9).await.expect("blobs").is_empty(), "no sooner than a day after (Y2)");
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.ledger.removable_blobs(DAY, 9).await.expect("blobs"), [blob(1), blob(2)]);
    assert_eq!(house.ledger.removable_blobs(DAY, 1).await.expect("blobs").len(), 1, "bounded");
    house.ledger.forget_blobs(vec![blob(1), blob(2), blob(3)]).await.expect("forgetting");
    house.delete("a").await;
    house.clock.advance(2 * DAY);
    assert_eq!(house.ledger.removable_blobs(DAY, 9).await.expect("blobs"), [blob(3)], "a live one is not forgotten");
}

pub async fn a_blob_that_was_swept_cannot_be_committed(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![crate::fixture::rule(1)]).await;
    house.join().await;
    house.ledger.stage_blob(blob(1)).await.expect("staging");
    house.join().await;
    // From the answer on the bytes may be gone, whether they are forgotten yet or not.
    assert_eq!(house.ledger.removable_blobs(DAY, 9).await.expect("blobs"), [blob(1)]);
    for forgotten in [false, true] {
        if forgotten {
            house.ledger.forget_blobs(vec![blob(1)]).await.expect("forgetting");
        }
        let refused = house.put_content("a", Content::Blob(blob(1)), 100_000).await;
        assert!(matches!(refused, Err(CommitError::BlobGone)), "{refused:?}");
    }
    assert_eq!(house.get("a").await, None);
    assert_eq!(house.owed(&crate::fixture::rule(1)).await, Some(0), "OB-1");
    house.put_content("b", Content::Blob(blob(9)), 1).await.expect_err("it was never staged");
}

pub async fn an_unstaged_blob_is_forgotten(store: &impl Store) {
    let house = House::open(store).await;
    house.join().await;
    house.ledger.stage_blob(blob(1)).await.expect("staging");
    house.ledger.unstage_blob(blob(1)).await.expect("unstaging");
    house.ledger.stage_blob(blob(2)).await.expect("staging");
    house.put_content("a", Content::Blob(blob(2)), 100_000).await.expect("a put");
    house.ledger.unstage_blob(blob(2)).await.expect("a live one is left alone");
    house.join().await;
    assert!(house.ledger.removable_blobs(Duration::ZERO, 9).await.expect("blobs").is_empty());
    assert_eq!(house.get("a").await.expect("an object").content, Some(Content::Blob(blob(2))));
    house.delete("a").await;
    house.clock.advance(DAY);
    assert_eq!(house.ledger.removable_blobs(Duration::ZERO, 9).await.expect("blobs"), [blob(2)]);
}
