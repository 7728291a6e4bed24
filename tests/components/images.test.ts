import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE_IMAGES, GPU_IMAGE_FAMILY, IMAGE_PROJECTS, RETIRED_FAMILIES } from "../../catalog/baseImages.ts";
import { chooseImage, imageProjectProblem, imageSupport } from "../../components/images.ts";

const support = (family: string, today: string) => imageSupport(chooseImage(family, "own").image, today);

test("past its end a family is a problem, sixty days before a warning, both with its successor", () => {
  assert.deepEqual(support("ubuntu-2204-lts", "2027-02-28"), {});
  assert.deepEqual(support("ubuntu-2204-lts", "2027-03-01"), {
    warning: "ubuntu-2204-lts gets its last security updates on 2027-04-30, in 60 days; take ubuntu-2404-lts-amd64",
  });
  assert.deepEqual(support("ubuntu-2204-lts", "2027-04-30"), {
    warning: "ubuntu-2204-lts gets its last security updates on 2027-04-30, in 0 days; take ubuntu-2404-lts-amd64",
  });
  assert.deepEqual(support("ubuntu-2204-lts", "2027-05-01"), {
    problem: "must not be ubuntu-2204-lts: it has had no security updates since 2027-04-30; take ubuntu-2404-lts-amd64",
  });
  assert.deepEqual(support("debian-13", "2031-01-01"), {
    problem:
      "must not be debian-13: it has had no security updates since 2030-06-30; this program's catalog knows no successor yet",
  });
});

test("an image that the catalog does not know has no end", () => {
  assert.deepEqual(support("projects/own/global/images/mine", "2099-01-01"), {});
  assert.deepEqual(support("my-family", "2099-01-01"), {});
});

test("successors are families that last longer, and no retired family's advice leads to another", () => {
  for (const [family, { successor, supportedUntil, architecture, gpu }] of Object.entries(BASE_IMAGES)) {
    if (!successor) continue;
    const next = BASE_IMAGES[successor];
    assert.ok(next && next.supportedUntil >= supportedUntil, family);
    assert.deepEqual([next.architecture, next.gpu], [architecture, gpu], family);
  }
  assert.equal(BASE_IMAGES[GPU_IMAGE_FAMILY]?.gpu, true);
  for (const { reason } of RETIRED_FAMILIES) {
    const [, named = ""] = /take ([a-z0-9-]+)/.exec(reason) ?? [];
    assert.ok(BASE_IMAGES[named], reason);
  }
});

test("images come from the own project and from the listed ones", () => {
  const problem = (text: string) => imageProjectProblem(chooseImage(text, "own").image, "own");
  for (const fine of [
    "ubuntu-2404-lts-amd64",
    "my-family",
    "projects/own/global/images/mine",
    ...IMAGE_PROJECTS.map((project) => `projects/${project}/global/images/family/x`),
  ]) {
    assert.equal(problem(fine), undefined, fine);
  }
  assert.equal(
    problem("projects/somebody/global/images/mine"),
    "must be an image of own, or of Google's debian-cloud, deeplearning-platform-release, ubuntu-os-cloud; got one of somebody",
  );
});
