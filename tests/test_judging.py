"""What trained nets are judged by: directions, intervals, names, and what does not compare."""

from pathlib import Path
from typing import Any

import pytest

from coronet.studio.compare import text
from coronet.studio.compare.comparison import figure, notes, table
from coronet.studio.compare.scores import Score, as_csv, best_under, choose_score, pareto, scores_of, value_of
from coronet.studio.outcomes import Outcome


def distance(value: float, name: str = "proxy", **changes: Any) -> dict[str, Any]:
    known = {"protocol": "as always", "real_images": 100, "fake_images": 90, "note": "Few images."}
    return {"name": name, "value": value, "interval": [value - 0.25, value + 0.5], **known, **changes}


def outcome(macs: int, value: float | None = None, **scores: Any) -> Outcome:
    own = {"to_teacher": {"psnr_db": 20.0 + macs, "ssim": 0.5}, **scores}
    if value is not None:
        own["distribution"] = distance(value)
    costs = {"slim": {"macs": macs, "bytes": macs}, "dense": {"macs": 100, "bytes": 100}}
    dense = {
        "distribution": distance(1.0),
        **({"fid": distance(4.0, scores["fid"]["name"])} if "fid" in scores else {}),
    }
    return Outcome(Path(str(macs)), "own", 100 / macs, {**costs, "scores": own, "teacher_scores": dense})


def proxy(*outcomes: Outcome) -> Score:
    return scores_of(outcomes)["proxy"]


def test_of_a_distance_the_lower_is_the_better() -> None:
    nets = [outcome(10, 5.0), outcome(20, 6.0), outcome(30, 3.0)]
    assert pareto(nets, proxy(*nets)) == [nets[0], nets[2]]
    assert best_under(nets, proxy(*nets), "macs", 30) is nets[2]
    assert best_under(nets, proxy(*nets), "macs", 29) is nets[0]


def test_the_usual_score_is_fid_once_all_nets_have_it() -> None:
    with_fid = [outcome(macs, 1.0, fid=distance(30.0, "FID")) for macs in (10, 20)]
    assert choose_score(with_fid, "").key == "FID"
    assert choose_score([*with_fid, outcome(30, 1.0)], "").key == "to_teacher"
    assert choose_score([outcome(10, 1.0, fid=distance(3.0, "FID-768"))], "").key == "to_teacher"
    assert choose_score(with_fid, "proxy").key == "proxy"
    assert choose_score(with_fid, "../nonsense").key == "FID"


def test_a_distance_goes_by_its_own_name() -> None:
    nets = [outcome(10, 1.0, fid=distance(3.0, "FID-768"))]
    assert list(scores_of(nets)) == ["to_teacher", "proxy", "FID-768"]
    score = choose_score(nets, "FID-768")
    assert figure(nets, score).layout.yaxis.title.text == "FID-768, lower is better"
    assert "FID-768: 90 translated and 100 real test images" in table(nets, score)
    assert "FID" not in (figure(nets, proxy(*nets)).to_json() + table(nets, proxy(*nets)).partition("</table>")[0])


def test_distances_of_other_images_are_listed_but_not_drawn() -> None:
    nets = [outcome(10, 5.0), outcome(20, 4.0), outcome(30)]
    nets.append(outcome(40, distribution=distance(0.5, protocol="on other data")))
    nets.append(outcome(50, distribution=distance(0.5, fake_images=50)))
    score = proxy(*nets)
    assert [net.macs for net in nets if value_of(net, score)] == [10, 20]
    assert [net.macs for net in pareto(nets, score)] == [10, 20]
    assert best_under(nets, score, "macs", 100) is nets[1]
    assert figure(nets, score).data[0].x == (10, 20)
    assert "0.500<br>[0.250, 1.000] *" in table(nets, score)
    assert text.ELSEWHERE in notes(nets, score)


def test_a_net_without_the_score_has_a_dash_and_no_point() -> None:
    nets = [outcome(10, 5.0), outcome(20)]
    assert figure(nets, proxy(*nets)).data[0].x == (10,)
    row = table(nets, proxy(*nets)).split("<tr>")[3]
    assert row.endswith("<td>–</td></tr>")
    assert "your run 5.0×: not scored yet" in notes(nets, proxy(*nets))


def test_intervals_are_drawn_as_bars_of_the_nets_and_of_the_dense_net() -> None:
    nets = [outcome(10, 5.0), outcome(20, 6.0)]
    slim, *_, dense = figure(nets, proxy(*nets)).data
    assert (slim.error_y.array, slim.error_y.arrayminus) == ((0.5, 0.5), (0.25, 0.25))
    assert (dense.y, dense.error_y.array) == ((1.0,), (0.5,))
    assert figure(nets, Score("to_teacher")).data[0].error_y.array is None


def test_the_table_says_the_interval_and_the_dense_nets_score() -> None:
    shown = table([outcome(10, 0.0312)], Score("proxy", "as always", 100, 90))
    assert "<td>0.0312<br>[-0.2188, 0.5312]</td>" in shown
    assert "<th scope='row'>Dense</th><td>100</td><td>100B</td><td>1.00<br>[0.75, 1.50]</td>" in shown


def test_what_makes_scores_doubtful_is_said_once_and_of_whom() -> None:
    nets = [outcome(10, 5.0), outcome(20, 6.0)]
    assert notes(nets, proxy(*nets)).count("Few images.") == 1
    odd = outcome(30, distribution=distance(1.0, note="Odd <b>."))
    assert "your run 3.3×: Odd &lt;b&gt;." in notes([*nets, odd], proxy(*nets))
    assert notes(nets, Score("to_teacher")) == ""


def test_the_sheet_follows_the_chosen_score() -> None:
    nets = [outcome(10, 5.0), outcome(20, 6.0)]
    lines = as_csv(nets, proxy(*nets)).splitlines()
    assert lines[0].endswith(
        "proxy.value,proxy.low,proxy.high,proxy.real_images,proxy.fake_images,judged_by,better,on_pareto_line"
    )
    assert [line.rpartition("proxy,lower,")[2] for line in lines[1:]] == ["yes", "no", ""]
    assert lines[3].startswith("dense,dense,,1.0,100,100,,,1.0,0.75,1.5,100,90")


@pytest.mark.parametrize("score", [{"note": "none"}, None, "x", {"name": "proxy", "value": 1.0}])
def test_a_report_without_a_whole_distance_is_no_trouble(score: Any) -> None:
    nets = [outcome(10, distribution=score), outcome(20, 5.0)]
    chosen = choose_score(nets, "proxy")
    assert table(nets, chosen)
    assert figure(nets, chosen).data
    assert as_csv(nets, chosen)
