"""The tables of campaigns: means over the seeds, the best in bold, and what counts as more than noise."""

import csv

import pytest

from tests.benchmarks.cells import Found, gather, main, table, wins

SCORE = "to_teacher.psnr_db"
ROWS = [("shoes", {"method": "original", "requested_ratio": "1.0", "proxy.value": "0.5", SCORE: ""})]
ROWS += [
    ("shoes", {"method": method, "requested_ratio": ratio, "seed": seed, "proxy.value": "0.5", SCORE: value})
    for method, ratio, seed, value in [
        ("coronet", "4.0", "0", "26"),
        ("coronet", "4.0", "1", "28"),
        ("taylor", "4.0", "0", "24"),
        ("taylor", "4.0", "1", "25"),
        ("coronet", "8.0", "0", "22"),
        ("coronet", "8.0", "1", "24"),
        ("taylor", "8.0", "0", "23"),
        ("taylor", "8.0", "1", "24"),
    ]
]


def test_seeds_of_a_cell_come_together():
    cells = gather(ROWS, SCORE)
    assert list(cells) == [("shoes", 4.0), ("shoes", 8.0)]
    assert cells["shoes", 4.0] == {"coronet": Found((26.0, 28.0)), "taylor": Found((24.0, 25.0))}
    assert cells["shoes", 4.0]["coronet"].mean == 27.0
    assert cells["shoes", 4.0]["coronet"].sd == pytest.approx(2**0.5)


def test_the_best_is_bold_and_the_dense_net_is_no_candidate():
    lines = table(gather(ROWS, SCORE), {"shoes": 29.5}, SCORE).splitlines()
    assert lines == [
        "| | dense | coronet | taylor |",
        "|---|---|---|---|",
        "| shoes, 4x | 29.5 | **27 ± 1.4** | 24.5 ± 0.71 |",
        "| shoes, 8x | 29.5 | 23 ± 1.4 | **23.5 ± 0.71** |",
    ]


def test_a_win_counts_beyond_the_noise_of_both():
    found = wins(gather(ROWS, SCORE), SCORE)
    assert found == "Best: coronet in 1 of 2, beyond the noise in 1; taylor in 1 of 2, beyond the noise in 0."


def test_a_single_seed_tells_nothing_of_noise():
    single = [row for row in ROWS if row[1].get("seed") == "0"]
    assert wins(gather(single, SCORE), SCORE) == "Best: coronet in 1 of 2; taylor in 1 of 2."


def test_of_distances_the_least_is_best():
    rows = [(folder, row | {"proxy.value": row[SCORE] or "0"}) for folder, row in ROWS]
    cells = gather(rows, "proxy.value")
    assert "**24.5 ± 0.71**" in table(cells, {}, "proxy.value")
    assert wins(cells, "proxy.value").startswith("Best: taylor in 1 of 2, beyond the noise in 1;")


def test_it_reads_what_compare_leaves(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "shoes"
    folder.mkdir()
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=["method", "requested_ratio", "seed", "proxy.value", SCORE])
        writer.writeheader()
        writer.writerows(row for _, row in ROWS)
    monkeypatch.setattr("sys.argv", ["cells", str(folder)])
    main()
    printed = capsys.readouterr().out
    assert "| shoes, 4x | **27 ± 1.4** | 24.5 ± 0.71 |" in printed
    assert "| shoes, 4x | 0.5 | **0.5 ± 0** | 0.5 ± 0 |" in printed
