//! Pages without script: a table, a job and what came of it, by forms alone.

use crate::{
    Visitor,
    harness::{CLICKS, Service, clicks, scratch},
    header,
};
use serde_json::json;
use std::{
    fs,
    time::{Duration, Instant},
};

/// A form with a file, as browsers send it.
fn with_file(fields: &[(&str, &str)], file: &[u8]) -> (String, Vec<u8>) {
    let boundary = "----form-boundary";
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    let head =
        "Content-Disposition: form-data; name=\"file\"; filename=\"clicks.csv\"\r\nContent-Type: text/csv\r\n\r\n";
    body.extend(format!("--{boundary}\r\n{head}").bytes());
    body.extend(file);
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

#[test]
fn a_table_and_a_job_come_by_forms_alone() {
    let dir = scratch();
    let table = fs::read(clicks(dir.path(), 60, 40)).unwrap();
    let service = Service::start(&dir.path().join("data"));
    let visitor = Visitor::new(&service);
    let send = |fields: &[(&str, &str)]| {
        let (media_type, body) = with_file(fields, &table);
        let request = visitor.with_cookie(visitor.http.post(format!("{}/new", service.url)));
        request.header("origin", &service.url).header("content-type", media_type).body(body).send().unwrap()
    };
    let refused = send(&[("label", "")]);
    assert_eq!(refused.status(), 422, "a table without a label is none");
    assert!(refused.text().unwrap().contains("a column of 0 and 1"));

    let made = send(&[("label", "click"), ("split_column", "split"), ("name", "by form")]);
    assert_eq!(made.status(), 303, "{}", service.log());
    // The way leads on to the job, which waits for the table to be read.
    let form = header(&made, "location").to_owned();
    let page = form.strip_suffix("/new-job").unwrap().to_owned();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !visitor.get(&form).text().unwrap().contains("select name=\"method\"") {
        assert!(Instant::now() < deadline, "{}", service.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let html = visitor.get(&page).text().unwrap();
    for part in ["by form", "Columns", "whole numbers", "Splits"] {
        assert!(html.contains(part), "{part}");
    }

    // What the plan says is on the page; what cannot be is said, and the form stays as it was filled in.
    let planned =
        visitor.get(&format!("{form}?method=paper&backbone=fm&certify=on&seeds=5&seed=7&plan=1")).text().unwrap();
    assert!(planned.contains("What it would take") && planned.contains("Smallest gain"), "{planned}");
    let wrong = visitor.post(&form, &[("method", "paper"), ("backbone", "fm"), ("options", "{\"epoch\": 2}")]);
    assert_eq!(wrong.status(), 422);
    assert!(wrong.text().unwrap().contains("{&#34;epoch&#34;: 2}"));
    let options =
        r#"{"epochs": 2, "warmup_epochs": 2, "batch_size": 512, "retrain_max_epoch": 3, "select_ratio": 0.9}"#;
    let fields = [("method", "paper"), ("backbone", "fm"), ("seed", "7"), ("tags", "by=form"), ("options", options)];
    let started = visitor.post(&form, &fields);
    assert_eq!(started.status(), 303, "{}", service.log());
    let job_page = header(&started, "location").to_owned();
    let job = job_page.rsplit('/').next().unwrap().to_owned();
    service.wait_for(&job, "job.succeeded");

    let html = visitor.get(&job_page).text().unwrap();
    for part in ["No verdict was asked for", "Rows kept", "Models side by side", "<svg class=\"chart wide\"", "by=form"]
    {
        assert!(html.contains(part), "{part}");
    }
    // What the API calls a label is a tag to people; links of earlier versions lead on.
    for link in ["/jobs?tag=by%3Dform&status=succeeded", "/jobs?label=by%3Dform", "/compare?tag=by%3Dform"] {
        let listed = visitor.get(link).text().unwrap();
        assert!(listed.contains(&job_page) && listed.contains("/jobs?tag=by%3Dform"), "{listed}");
    }
    assert!(!visitor.get("/jobs?tag=by%3Dnobody").text().unwrap().contains(&job_page));
    let slip = visitor.get("/compare?label=night");
    assert_eq!(slip.status(), 200);
    assert!(slip.text().unwrap().contains("write night=value"));
    assert!(!visitor.get("/jobs?status=failed").text().unwrap().contains(&job_page));

    // Results: the same bytes as the API's.
    let results = visitor.get(&format!("{job_page}/results")).text().unwrap();
    let digest = service.expect(service.get(&format!("/v1/jobs/{job}/artifacts")), 200)["data"][0]["sha256"].clone();
    assert!(results.contains(digest.as_str().unwrap()), "{results}");
    let download = visitor.get(&format!("{job_page}/results/denoised"));
    assert!(header(&download, "content-disposition").contains("attachment"));
    assert_eq!(download.bytes().unwrap(), service.artifact(&job, "denoised"));
    // What is looked for first stands first; the report can be looked at, and may do nothing in the browser.
    let at = |name: &str| results.find(&format!("<span class=\"strong\">{name}</span>")).unwrap();
    assert!(at("denoised") < at("report.html") && at("report.html") < at("indices") && at("keep_mask") < at("model"));
    let report = visitor.get(&format!("{job_page}/report"));
    assert_eq!((report.status().as_u16(), header(&report, "content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(header(&report, "content-disposition"), "inline; filename=\"report.html\"");
    let policy = header(&report, "content-security-policy").to_owned();
    for part in ["default-src 'none'", "sandbox", "frame-ancestors 'none'", "form-action 'none'"] {
        assert!(policy.contains(part) && !policy.contains("allow-") && !policy.contains("script-src"), "{policy}");
    }
    assert_eq!(header(&report, "x-content-type-options"), "nosniff");
    let report = report.text().unwrap();
    // It says which table it is about, and which job.
    assert!(report.contains("<strong>by form</strong>") && report.contains(&format!("<span>{job}</span>")), "{report}");
    let missing = visitor.get(&format!("{job_page}/results/nothing"));
    assert_eq!((missing.status().as_u16(), header(&missing, "content-type")), (404, "text/html; charset=utf-8"));

    // Run again, stop that, compare both, and delete.
    let again = visitor.post(&format!("{job_page}/again"), &[]);
    let second = header(&again, "location").to_owned();
    service.wait_for(second.rsplit('/').next().unwrap(), "job.succeeded");
    // One that was cancelled can be run again too, and one that goes on cannot.
    let third = header(&visitor.post(&format!("{second}/again"), &[]), "location").to_owned();
    visitor.post(&format!("{third}/cancel"), &[]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !visitor.get(&third).text().unwrap().contains(&format!("{third}/again")) {
        assert!(Instant::now() < deadline, "{}", service.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(visitor.post(&format!("{third}/again"), &[]).status(), 303);
    let ended = visitor.post(&format!("{second}/pause"), &[]);
    assert_eq!(ended.status(), 409);
    assert!(ended.text().unwrap().contains("it cannot be paused"));
    let both = format!("/compare?job={job}&job={}", second.rsplit('/').next().unwrap());
    let compared = visitor.get(&both).text().unwrap();
    assert!(compared.contains("100.00 %") && compared.contains("the first one"), "{compared}");
    assert_eq!(header(&visitor.post(&format!("{second}/delete"), &[]), "location"), "/jobs");
    assert_eq!(visitor.get(&second).status(), 404);
}

#[test]
fn columns_of_an_upload_in_parts_are_chosen_by_a_form() {
    let dir = scratch();
    let table = fs::read(clicks(dir.path(), 60, 40)).unwrap();
    let service = Service::start(&dir.path().join("data"));
    let visitor = Visitor::new(&service);
    // As the script of the page sends it.
    let begun = visitor.http.post(format!("{}/uploads", service.url)).header("origin", &service.url);
    let begun = begun
        .header("tus-resumable", "1.0.0")
        .header("upload-length", table.len())
        .header("upload-metadata", "filename Y2xpY2tzLmNzdg==");
    let begun = begun.send().unwrap();
    assert_eq!(begun.status(), 201);
    let id = header(&begun, "location").rsplit('/').next().unwrap().to_owned();
    let sample = format!("/v1/uploads/{id}/sample");
    assert_eq!(service.expect(service.get(&sample), 409)["code"], "conflict", "not complete yet");
    let part = |offset: usize, bytes: &[u8]| {
        let request = visitor.http.patch(format!("{}/uploads/{id}", service.url)).header("origin", &service.url);
        let request = request.header("tus-resumable", "1.0.0").header("upload-offset", offset);
        request.header("content-type", "application/offset+octet-stream").body(bytes.to_vec()).send().unwrap().status()
    };
    assert_eq!(part(0, &table[..100]), 204);
    assert_eq!(part(100, &table[100..]), 204);

    let read = service.expect(service.get(&sample), 200);
    assert_eq!(
        (&read["name"], &read["format"], &read["separator"]),
        (&json!("clicks.csv"), &json!("csv"), &json!(","))
    );
    assert_eq!(read["rows"].as_array().unwrap().len(), 8);
    assert_eq!(read["columns"].as_array().unwrap().len(), read["rows"][0].as_array().unwrap().len());

    let page = format!("/new/{id}");
    let html = visitor.get(&page).text().unwrap();
    assert!(html.contains("clicks.csv") && html.contains("value=\"label\" checked"), "{html}");
    let refused = visitor.post(&page, &[("role.0", "field")]);
    assert_eq!(refused.status(), 400);
    let roles: Vec<(String, &str)> = (0..)
        .zip(read["columns"].as_array().unwrap())
        .map(|(at, column)| {
            let role = match column.as_str().unwrap() {
                "click" => "label",
                "split" => "split",
                "timestamp" => "left",
                _ => "field",
            };
            (format!("role.{at}"), role)
        })
        .collect();
    let fields: Vec<(&str, &str)> = roles.iter().map(|(name, role)| (&name[..], *role)).collect();
    let made = visitor.post(&page, &fields);
    assert_eq!(made.status(), 303, "{}", service.log());
    // It is the dataset that the same file becomes when it is sent at once.
    let id = header(&made, "location").strip_suffix("/new-job").unwrap().rsplit('/').next().unwrap().to_owned();
    // Nobody named it: it goes by the name of its file.
    assert!(visitor.get("/datasets").text().unwrap().contains(">clicks.csv</a>"));
    let at_once = service.post("/v1/datasets").query(&CLICKS).header("content-type", "text/csv").body(table);
    assert_eq!(service.expect(at_once, 200)["id"], id);
    assert_eq!(service.get(&sample).send().unwrap().status(), 409, "a dataset was made of it");
}
