"""What goes by a repository's rule, and what must not."""

from havre.registry.upkeep.retention import Decision, Rule, Stored, Tag, decide, rule_for

NOW = 1_000_000.0
DAY = 86400.0


def tags(*ages: tuple[str, float]) -> list[Tag]:
    return [Tag(name, f"sha256:{name}", NOW - age) for name, age in ages]


def gone(decisions: list[Decision]) -> list[str]:
    return [decision.tag or decision.digest for decision in decisions]


def test_the_first_rule_that_fits_decides() -> None:
    rules = [Rule("team/*", keep_latest=3), Rule("**", keep_latest=9)]
    assert rule_for(rules, "team/app") is rules[0]
    assert rule_for(rules, "team/app/deep") is rules[1]
    assert rule_for(rules[:1], "other") is None


def test_the_latest_are_kept() -> None:
    there = tags(("a", 4), ("b", 3), ("c", 2), ("d", 1))
    assert gone(decide(Rule("**", keep_latest=2), there, [], NOW)) == ["b", "a"]
    assert gone(decide(Rule("**", keep_latest=0), there, [], NOW)) == ["d", "c", "b", "a"]
    assert gone(decide(Rule("**", keep_latest=4), there, [], NOW)) == []


def test_what_fits_a_kept_pattern_neither_goes_nor_counts() -> None:
    there = tags(("v1", 9), ("v2", 8), ("a", 3), ("b", 2), ("latest", 1))
    rule = Rule("**", keep_latest=1, keep_tags=("v*", "latest"))
    assert gone(decide(rule, there, [], NOW)) == ["a"]


def test_the_young_are_kept_also_beyond_the_latest() -> None:
    there = tags(("a", 5 * DAY), ("b", 2 * DAY), ("c", DAY), ("d", 1))
    rule = Rule("**", keep_latest=1, keep_younger=3 * DAY)
    decisions = decide(rule, there, [], NOW)
    assert gone(decisions) == ["a"]
    assert decisions[0].reason == "not among the 1 latest tags, pushed 432000 s ago"
    assert gone(decide(Rule("**", keep_younger=3 * DAY), there, [], NOW)) == ["a"]


def test_patterns_alone_remove_nothing() -> None:
    assert decide(Rule("**", keep_tags=("v*",)), tags(("a", 9 * DAY)), [], NOW) == []


def test_untagged_manifests_go_after_their_term_only() -> None:
    there = [Stored("sha256:old", NOW - 10), Stored("sha256:young", NOW - 4), Stored("sha256:a", NOW - 99)]
    assert gone(decide(Rule("**", untagged=5), tags(("a", 99)), there, NOW)) == ["sha256:old"]
    assert decide(Rule("**"), tags(("a", 99)), there, NOW) == []


def test_what_an_index_lists_stays_with_it() -> None:
    there = [Stored("sha256:a", NOW - 9, ("sha256:1", "sha256:2")), Stored("sha256:1", 0), Stored("sha256:2", 0)]
    assert decide(Rule("**", untagged=5), tags(("a", 9)), there, NOW) == []
    assert gone(decide(Rule("**", untagged=5), [], there, NOW)) == ["sha256:a", "sha256:1", "sha256:2"]
    young = [Stored("sha256:a", NOW - 1, ("sha256:1",)), Stored("sha256:1", 0)]
    assert decide(Rule("**", untagged=5), [], young, NOW) == []


def test_a_manifest_that_loses_its_tag_goes_in_the_same_run() -> None:
    there = [Stored("sha256:a", NOW - 9 * DAY), Stored("sha256:b", NOW - DAY)]
    rule = Rule("**", keep_latest=1, untagged=2 * DAY)
    assert gone(decide(rule, tags(("a", 9 * DAY), ("b", DAY)), there, NOW)) == ["a", "sha256:a"]


def test_what_is_attached_follows_its_subject() -> None:
    signature = Stored("sha256:sig", NOW - 1, (), "sha256:a")
    sbom_of_signature = Stored("sha256:sbom", 0, (), "sha256:sig")
    there = [Stored("sha256:a", NOW - 99), signature, sbom_of_signature]
    assert decide(Rule("**", untagged=5), tags(("a", 99)), there, NOW) == []
    decisions = decide(Rule("**", untagged=5), [], there, NOW)
    assert gone(decisions) == ["sha256:a", "sha256:sig", "sha256:sbom"]
    assert decisions[1].reason == "attached to sha256:a, which goes"


def test_what_is_attached_to_a_child_of_an_index_stays() -> None:
    there = [Stored("sha256:a", 0, ("sha256:1",)), Stored("sha256:1", 0), Stored("sha256:sig", 0, (), "sha256:1")]
    assert decide(Rule("**", untagged=5), tags(("a", 99)), there, NOW) == []


def test_an_attachment_that_came_before_its_subject_has_the_term_of_an_untagged_manifest() -> None:
    early, late = Stored("sha256:early", NOW - 1, (), "sha256:gone"), Stored("sha256:late", 0, (), "sha256:gone")
    assert gone(decide(Rule("**", untagged=5), [], [early, late], NOW)) == ["sha256:late"]


def test_circles_end() -> None:
    circle = [Stored("sha256:1", 0, ("sha256:2",)), Stored("sha256:2", 0, ("sha256:1",), "sha256:1")]
    assert gone(decide(Rule("**", untagged=5), [], circle, NOW)) == ["sha256:1", "sha256:2"]


def test_a_tagged_attachment_stays_without_its_subject() -> None:
    there = [Stored("sha256:a", 0), Stored("sha256:b", 0, (), "sha256:a")]
    assert gone(decide(Rule("**", untagged=5), tags(("b", 99)), there, NOW)) == ["sha256:a"]
