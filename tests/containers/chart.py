"""The Helm chart: linted and rendered by Helm's own library, and what comes of it is held against what a pod must be.

    chart.py: prints the manifests of every set of values as one JSON list, for kubernetes.mjs
"""

import json
import pathlib
import sys

import helm_python as helm
import yaml

CHART = pathlib.Path(__file__).parents[2] / "docker" / "helm"


def render(values):
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name="denoise", namespace="ads")
    return [manifest for text in files.values() for manifest in yaml.safe_load_all(text) if manifest]


def check_pod(pod):
    """What every pod must be to run under the restricted Pod Security Standard, with probes, and to be stopped gently."""
    assert pod["terminationGracePeriodSeconds"] > 30 and not pod["automountServiceAccountToken"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] and context["capabilities"] == {"drop": ["ALL"]}
        assert not context["allowPrivilegeEscalation"]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports, container[probe]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["resources"]["limits"]["memory"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        for variable in container["env"]:
            assert variable["name"] != "DATABASE_URL" or "valueFrom" in variable, "secrets are referred to"


def main():
    findings = helm.lint(str(CHART))
    # 1 is advice, from 2 on something is wrong.
    assert not findings["errors"] and all(finding["severity"] < 2 for finding in findings["messages"]), findings
    print(f"helm lint ({helm.helm_sdk_version()}): {findings}", file=sys.stderr)
    everything = yaml.safe_load((CHART / "ci" / "everything.yaml").read_text())
    manifests = []
    for values in ({}, everything):
        rendered = render(values)
        for manifest in rendered:
            assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == "denoise", manifest
            if manifest["kind"] == "Deployment":
                pod = manifest["spec"]["template"]
                assert manifest["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
                check_pod(pod["spec"])
        manifests += rendered
    kinds = {manifest["kind"] for manifest in manifests}
    wanted = {"Deployment", "Service", "ServiceAccount", "Ingress", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor", "ScaledObject"}
    assert kinds == wanted, kinds
    for wrong in ({"worker": {"slots": 0}}, {"image": {"digest": "sha256:short"}}, {"imag": {}}):
        try:
            render(wrong)
        except helm.HelmError:
            continue
        raise AssertionError(f"these values are refused by the schema: {wrong}")
    json.dump(manifests, sys.stdout)


main()
