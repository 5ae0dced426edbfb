//! The ledger from outside: one conformance suite for every store, and what only SQLite can get wrong.
//!
//! A second store adds one module that implements [`store::Store`], and one line below. Cases use nothing but the verbs
//! of `Ledger`, a clock that they move, and the closing and opening again of the store.

mod conformance;
mod fixture;
mod sqlite;
mod store;

use sqlite::sqlite;

/// Makes one test of every case for every store. A case that is not listed here is dead code, which the lints refuse.
macro_rules! ledger_conformance {
    ($($store:ident()),+ => $cases:tt) => {
        $(mod $store { ledger_conformance!(@each $store $cases); })+
    };
    (@each $store:ident { $($module:ident: $($case:ident),+;)+ }) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::conformance::$module::$case(&crate::$store()).await;
            }
        )+)+
    };
}

mod stores {
    ledger_conformance!(sqlite() => {
        changes:
            a_put_raises_one_event_for_every_rule_that_wants_it_the_bucket_s_first,
            nothing_is_raised_when_nobody_wants_it,
            deleting_what_is_not_there_raises_nothing,
            an_event_tells_what_was_put_and_a_removal_what_was_there,
            sequencers_and_event_ids_grow_over_deletes_and_over_a_restart_with_the_clock_set_back,
            a_write_whose_precondition_does_not_hold_changes_nothing,
            of_concurrent_writers_that_want_an_absent_key_one_wins,
            a_bucket_is_made_once_and_removed_only_when_empty,
            a_new_bucket_does_not_inherit_the_rules_of_a_deleted_one_whose_queue_is_still_delivered,
            the_rules_of_a_deleted_bucket_go_with_their_queue,
            small_bodies_read_back_byte_for_byte,
            what_is_stored_with_an_object_reads_back;
        numbers:
            numbers_have_no_gap_and_no_repeat_under_concurrent_writers_and_refusals,
            numbers_go_on_over_a_restart;
        owed:
            a_commit_hands_over_what_the_owner_asked_for_and_no_more,
            asking_again_replaces_what_was_asked_before,
            nothing_is_handed_to_a_held_endpoint_and_its_rows_wait,
            a_retry_waits_until_it_is_due,
            retries_that_are_due_come_before_fresh_deliveries,
            what_was_delivered_is_owed_no_more,
            a_dead_delivery_leaves_the_queue_and_is_kept,
            returned_is_due_at_once_without_an_attempt,
            one_settle_records_many_outcomes_and_takes_the_next,
            a_lost_owner_settles_nothing_and_owns_nothing,
            a_new_owner_finds_what_was_taken_and_not_settled_as_an_unknown_attempt,
            what_was_committed_while_nobody_was_there_is_delivered;
        rules:
            of_concurrent_saves_with_one_version_one_wins,
            rules_keep_their_order_and_all_their_fields,
            a_repeated_id_and_one_of_another_scope_are_refused,
            a_write_that_starts_after_the_rules_were_saved_sees_them,
            edits_of_a_rule_keep_its_queue_and_its_numbers,
            a_removed_rule_leaves_dead_letters_and_is_finally_forgotten,
            a_settle_after_its_rule_was_removed_is_kept_or_says_that_it_is_gone,
            a_rule_that_comes_back_takes_up_its_numbers,
            the_owner_is_told_that_rules_changed;
        listing:
            a_listing_is_what_a_naive_model_lists,
            a_page_holds_no_more_than_a_thousand_and_the_next_goes_on;
        blobs:
            what_an_earlier_instance_staged_is_removable_and_what_this_one_staged_is_not,
            a_live_blob_is_never_removable_and_a_freed_one_only_after_its_time,
            a_blob_that_was_swept_cannot_be_committed,
            an_unstaged_blob_is_forgotten;
        pruning:
            pruning_keeps_what_is_owed_or_dead_and_removes_the_rest,
            pruning_is_bounded_and_says_when_there_is_more,
            what_a_held_rule_is_owed_dies_of_age_and_is_told_by_rule,
            what_is_on_its_way_does_not_die_of_age_while_its_rule_is_held,
            history_ends_by_its_bytes_too_oldest_first_and_never_what_is_needed,
            a_pass_over_many_endpoints_takes_many_steps_and_knows_the_oldest_that_is_owed;
        accounts:
            putting_the_admin_replaces_its_credentials,
            unknown_credentials_belong_to_nobody;
        closing:
            a_closed_ledger_answers_closed_to_every_call,
            what_was_committed_before_the_close_is_there_after_it;
    });
}
