//! The rows of a job: over the API with filters and cells, and on their page.

use crate::{
    Visitor,
    harness::{Service, clicks, scratch},
};
use serde_json::{Value, json};
use std::fs;

#[test]
fn rows_are_found_by_what_they_are_and_hold() {
    let dir = scratch();
    let table = clicks(dir.path(), 60, 40);
    let lines: Vec<String> = fs::read_to_string(&table).unwrap().lines().skip(1).map(str::to_owned).collect();
    let service = Service::start(&dir.path().join("data"));
    let dataset = service.upload_clicks(&table);
    let job = service.job(&dataset).in_small_batches().submit();
    service.wait_for(&job, "job.succeeded");
    let rows = |query: &str| {
        service.expect(service.get(&format!("/v1/jobs/{job}/rows?{query}")), 200)["data"].as_array().unwrap().clone()
    };
    let numbers = |rows: &[Value]| rows.iter().map(|row| row["row"].as_u64().unwrap()).collect::<Vec<_>>();

    // Cells are what stands in the file.
    let with_cells = rows("cells=true&limit=100");
    let columns = ["user", "item"];
    for row in &with_cells {
        let line = &lines[row["row"].as_u64().unwrap() as usize];
        let cells: Vec<&str> =
            row["cells"].as_array().unwrap().iter().map(|cell| cell["value"].as_str().unwrap()).collect();
        assert_eq!(cells.join(","), *line);
        assert!(columns.iter().zip(row["cells"].as_array().unwrap()).all(|(name, cell)| cell["column"] == *name));
    }
    assert!(rows("limit=1")[0]["cells"].is_null(), "only where they are asked for");

    // Filters, alone and together, over pages.
    let dropped = rows("kept=false&limit=100");
    assert!(!dropped.is_empty() && dropped.iter().all(|row| row["kept"] == false));
    assert!(rows("kept=true&limit=100").iter().all(|row| row["kept"] == true));
    let ones = rows("kept=false&label=1&limit=100");
    assert!(ones.iter().all(|row| row["label"] == 1 && row["kept"] == false));
    let all: Vec<u64> = numbers(&rows("limit=100"));
    let order = |rows: Vec<u64>| rows.iter().map(|row| all.iter().position(|other| other == row)).collect::<Vec<_>>();
    assert!(order(numbers(&dropped)).is_sorted(), "filtered rows keep their order");
    let first = service.expect(service.get(&format!("/v1/jobs/{job}/rows?kept=true&limit=2")), 200);
    let rest = rows(&format!("kept=true&limit=2&after={}", first["next"].as_str().unwrap()));
    let both = numbers(&[first["data"].as_array().unwrap().clone(), rest].concat());
    assert_eq!(both, numbers(&rows("kept=true&limit=4")));
    let wanted = with_cells[3]["row"].as_u64().unwrap();
    assert_eq!(numbers(&rows(&format!("row={wanted}"))), [wanted]);
    assert_eq!(rows("row=99999999"), Vec::<Value>::new());
    let user = with_cells[0]["cells"][0]["value"].as_str().unwrap();
    let of_user = rows(&format!("column=user&value={user}&cells=true&limit=100"));
    assert!(!of_user.is_empty() && of_user.iter().all(|row| row["cells"][0]["value"] == user));

    for (query, says) in [
        ("column=user", "belong together"),
        ("column=nothing&value=1", "no column `nothing`"),
        ("label=2", "0 or 1"),
        ("kept=perhaps", "kept"),
    ] {
        let problem = service.expect(service.get(&format!("/v1/jobs/{job}/rows?{query}")), 400);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }

    // The page shows the same, and pages on.
    let visitor = Visitor::new(&service);
    let page = visitor.get(&format!("/jobs/{job}/rows?kept=false")).text().unwrap();
    assert!(page.contains(&format!("class=\"number mono\">{}</td>", dropped[0]["row"])), "{page}");
    let page = visitor.get(&format!("/jobs/{job}/rows")).text().unwrap();
    assert!(page.contains("rel=\"next\""), "{page}");
    let empty = visitor.get(&format!("/jobs/{job}/rows?row=99999999")).text().unwrap();
    assert!(empty.contains("No training row is like that"), "{empty}");

    // Without the dataset there are no cells, and the page says what is left.
    service.expect(service.delete(&format!("/v1/datasets/{}", dataset["id"].as_str().unwrap())), 204);
    assert!(rows("cells=true&limit=1")[0]["cells"].is_null());
    let gone = service.get(&format!("/v1/jobs/{job}/rows?column=user&value=1"));
    assert_eq!(service.expect(gone, 409)["code"], json!("conflict"));
    assert_eq!(visitor.get(&format!("/jobs/{job}/rows")).status(), 200);
}
