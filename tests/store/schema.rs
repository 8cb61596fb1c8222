//! Migrations go up and down, and the state machine of the database is the program's.

use crate::common::{claim, find_job, queued_job, report};
use autodenoise::{
    store::{MIGRATOR, StoreError, testing::TestDb},
    types::{Arm, DatasetStatus, JobState, Phase},
};
use sqlx::types::Json;

async fn tables(db: &TestDb) -> i64 {
    sqlx::query_scalar(
        "select (select count(*) from pg_tables where schemaname = 'public' and tablename <> '_sqlx_migrations')
              + (select count(*) from pg_type t join pg_namespace n on n.oid = t.typnamespace
                 where n.nspname = 'public' and t.typtype = 'e')
              + (select count(*) from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'public')",
    )
    .fetch_one(db.store.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn migrations_go_up_down_and_up_again() {
    let db = TestDb::empty().await;
    db.store.migrate().await.unwrap();
    db.store.migrate().await.unwrap();
    let made = tables(&db).await;
    assert!(made > 10, "{made}");
    MIGRATOR.undo(db.store.pool(), 0).await.unwrap();
    assert_eq!(tables(&db).await, 0);
    db.store.migrate().await.unwrap();
    assert_eq!(tables(&db).await, made);
}

#[tokio::test]
async fn the_database_allows_the_transitions_the_program_does() {
    let db = TestDb::new().await;
    for from in JobState::ALL {
        for to in JobState::ALL {
            let allowed: bool = sqlx::query_scalar("select job_state_can_become($1, $2)")
                .bind(from)
                .bind(to)
                .fetch_one(db.store.pool())
                .await
                .unwrap();
            assert_eq!(allowed, from.can_become(to), "{from:?} to {to:?}");
        }
    }
}

#[tokio::test]
async fn a_transition_that_is_not_allowed_is_refused() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    claim(&db.store, "w").await.unwrap();
    let update =
        sqlx::query("update jobs set state = 'cancelled', lease_until = null, worker = null, finished_at = now()");
    let error = StoreError::from(update.execute(db.store.pool()).await.unwrap_err());
    assert_eq!(error.constraint(), Some("jobs_transition"), "{error}");
    assert_eq!(find_job(&db.store, job).await.state, JobState::Running);
}

/// To the store a job is leased where its row has a `lease_until`; the schema says in which states that is.
#[tokio::test]
async fn the_database_gives_a_lease_to_the_states_the_program_does() {
    let db = TestDb::new().await;
    queued_job(&db.store).await;
    let spec = claim(&db.store, "w").await.unwrap().spec;
    for state in JobState::ALL {
        for leased in [true, false] {
            let copied = sqlx::query(
                "insert into jobs (id, dataset_id, spec, spec_sha256, state, lease_until, worker, finished_at, report, error)
                 select gen_random_uuid(), dataset_id, spec, spec_sha256, $1::job_state, case when $2 then now() end,
                        case when $2 then 'w' end, case when $3 then now() end, $4::jsonb, '{}'::jsonb from jobs limit 1",
            )
            .bind(state)
            .bind(leased)
            .bind(state.is_terminal())
            .bind(Json(report(spec.clone())))
            .execute(db.store.pool())
            .await
            .map_err(StoreError::from);
            match copied {
                Ok(_) => assert_eq!(leased, state.is_leased(), "{state:?}"),
                Err(error) => {
                    assert_eq!(error.constraint(), Some("jobs_leased_while_running"), "{error}");
                    assert_ne!(leased, state.is_leased(), "{state:?}");
                }
            }
        }
    }
}

/// The words of the database's enums are those on the wire.
#[tokio::test]
async fn enums_have_the_same_words_everywhere() {
    let db = TestDb::new().await;
    for state in JobState::ALL {
        let text: String =
            sqlx::query_scalar("select ($1::job_state)::text").bind(state).fetch_one(db.store.pool()).await.unwrap();
        assert_eq!(text, state.as_str());
    }
    for phase in
        [Phase::Warmup, Phase::Search, Phase::Validate, Phase::Select, Phase::Tune, Phase::Evaluate, Phase::Export]
    {
        let text: String =
            sqlx::query_scalar("select ($1::phase)::text").bind(phase).fetch_one(db.store.pool()).await.unwrap();
        assert_eq!(text, phase.as_str());
    }
    for arm in [Arm::Untuned, Arm::Full, Arm::Denoised, Arm::Random] {
        let text: String =
            sqlx::query_scalar("select ($1::arm)::text").bind(arm).fetch_one(db.store.pool()).await.unwrap();
        assert_eq!(text, arm.as_str());
    }
    for status in [DatasetStatus::Processing, DatasetStatus::Ready, DatasetStatus::Invalid] {
        let text: String = sqlx::query_scalar("select ($1::dataset_status)::text")
            .bind(status)
            .fetch_one(db.store.pool())
            .await
            .unwrap();
        assert_eq!(serde_json::to_value(status).unwrap(), text);
    }
}
