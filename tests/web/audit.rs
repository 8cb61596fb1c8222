//! The page of the audit: the operator's, filtered and turned over.

use crate::{
    Visitor,
    browser::Browser,
    harness::{Service, scratch},
    make_key,
};

const TABLE: &str = "user,item,click\n1,2,0\n";

#[test]
fn the_operator_sees_who_did_what_and_nobody_else_does() {
    let dir = scratch();
    let data = dir.path().join("data");
    let admin = make_key(&data, &["--scope", "admin"]);
    let ours = make_key(&data, &["--tenant", "ours", "--scope", "write"]);
    let service = Service::start_with(&data, &["--require-keys", "--no-worker"]);
    for label in ["click", "item"] {
        let upload = service.post("/v1/datasets").query(&[("label", label)]).header("content-type", "text/csv");
        service.expect(upload.body(TABLE).bearer_auth(&ours), 201);
    }
    // What a client may put into an entry is shown as it is, and does nothing.
    let odd = service.delete("/v1/datasets/%3Cb%20class=odd%3E").bearer_auth(&ours);
    odd.header("x-forwarded-for", "<script>alert(1)</script>").send().unwrap();

    // Others are not offered the page, and cannot see it.
    let mut other = Visitor::new(&service);
    other.sign_in(&ours);
    assert!(!other.get("/jobs").text().unwrap().contains("href=\"/audit\""));
    let refused = other.get("/audit");
    assert_eq!(refused.status(), 403);
    let shown = refused.text().unwrap();
    assert!(!shown.contains("POST /v1/datasets") && !shown.contains("keys create"), "{shown}");

    let browser = Browser::open(&service.url);
    browser.goto("/audit");
    assert_eq!(browser.path(), "/sign-in");
    browser.fill("#key", &admin);
    browser.click(".sign-in button");
    browser.wait_for("table.list");
    assert_eq!(browser.path(), "/audit");
    assert!(browser.has("nav a[href='/audit'][aria-current=page]"));
    let rows = || browser.count("table.list tbody tr");
    assert!(rows() >= 6, "two keys, two tables, what was odd and two sign-ins: {}", browser.text("table.list"));
    assert_eq!((browser.count(".odd"), browser.text("table.list").contains("<script>alert(1)</script>")), (0, true));
    browser.picture("audit");
    browser.check();

    // By form, by the links in the rows, and page by page.
    browser.fill("input[name=action]", "POST /v1/datasets");
    browser.fill("input[name=tenant]", "ours");
    browser.select("select[name=outcome]", "done");
    browser.click(".filters button");
    browser.wait_for(".filters a[href='/audit']");
    assert_eq!(rows(), 2, "{}", browser.text("table.list"));
    assert!(!browser.text("table.list").contains("keys create"));
    browser.click("table.list tbody tr:first-child a[href^='/audit?object=']");
    browser.wait_for("input[name=object][value^=ds_]");
    assert_eq!(rows(), 1);
    browser.goto("/audit?tenant=ours&since=2026-01-01&until=2026-01-02");
    browser.wait_for(".empty");
    browser.goto("/audit?outcome=maybe");
    assert!(browser.text("main").contains("maybe") && !browser.has("table.list"), "{}", browser.text("main"));
    browser.take_complaints();

    for _ in 0..60 {
        service.delete("/v1/datasets/ds_00000000000000000000000000000000").bearer_auth(&ours).send().unwrap();
    }
    browser.goto("/audit?tenant=ours&outcome=refused");
    let first = browser.text("table.list tbody");
    browser.click("a[rel=next]");
    browser.wait_for("input[name=tenant][value=ours]");
    assert_eq!(browser.run("return new URLSearchParams(location.search).get('outcome')"), "refused");
    assert_ne!(browser.text("table.list tbody"), first);
    browser.check();
}
