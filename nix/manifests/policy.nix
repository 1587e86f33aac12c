# A cluster's policy for images (`imagePolicy` in cluster.nix), which Kyverno 1.19 or later enforces in the
# namespace: every container runs an image with a signature, a provenance that names our builder and
# repository, and a bill of materials, by one of the keys of nix/keys. docs/delivery.md explains it.
{
  name,
  signing,
  cluster,
}:
let
  inherit (builtins)
    concatStringsSep
    elemAt
    genList
    length
    toJSON
    ;
  # The SQL proxy of transfers is somebody else's image. Its digest is in git, and it alone is let in.
  proxy = cluster.spec.sqlProxy or null;
  unless = variable: if proxy == null then "" else "${variable} == ${toJSON proxy} || ";
  inherit (signing) keys builder repository;
  attestors = genList (n: "key${toString n}") (length keys);
  any = "[${concatStringsSep ", " (map (attestor: "attestors.${attestor}") attestors)}]";
  all =
    condition:
    "(images.containers + images.initContainers + images.ephemeralContainers).all(image, ${unless "image"}${condition})";
  signed = what: "verifyAttestationSignatures(image, attestations.${what}, ${any}) > 0";
  predicate = "extractPayload(image, attestations.provenance).predicate";
in
{
  apiVersion = "policies.kyverno.io/v1";
  kind = "NamespacedImageValidatingPolicy";
  metadata = { inherit name; };
  spec = {
    validationActions = [
      {
        enforce = "Deny";
        audit = "Audit";
      }
      .${cluster.spec.imagePolicy}
    ];
    failurePolicy = "Fail";
    webhookConfiguration.timeoutSeconds = 30;
    # What makes pods too: ArgoCD then says why, instead of waiting for pods that nobody may create.
    autogen.podControllers.controllers = [
      "deployments"
      "cronjobs"
      "jobs"
    ];
    matchConstraints.resourceRules = [
      {
        apiGroups = [ "" ];
        apiVersions = [ "v1" ];
        operations = [ "CREATE" ];
        resources = [ "pods" ];
      }
      {
        apiGroups = [ "" ];
        apiVersions = [ "v1" ];
        operations = [ "UPDATE" ];
        resources = [ "pods/ephemeralcontainers" ];
      }
    ];
    # Not only ours: another image has no place in this namespace.
    matchImageReferences = [
      (if proxy == null then { glob = "*"; } else { expression = "ref != ${toJSON proxy}"; })
    ];
    credentials.providers = [
      {
        gke = "google";
        eks = "amazon";
      }
      .${cluster.cloud}
    ];
    validationConfigurations = {
      mutateDigest = false;
      verifyDigest = true;
      required = true;
    };
    attestors = genList (n: {
      name = elemAt attestors n;
      cosign = {
        key.data = (elemAt keys n).pem;
        # Our signatures are in no public log.
        ctlog = {
          insecureIgnoreTlog = true;
          insecureIgnoreSCT = true;
        };
      };
    }) (length keys);
    attestations = [
      {
        name = "signature";
        intoto.type = "https://sigstore.dev/cosign/sign/v1";
      }
      {
        name = "provenance";
        intoto.type = "https://slsa.dev/provenance/v1";
      }
      {
        name = "sbom";
        intoto.type = "https://cyclonedx.org/bom";
      }
    ];
    validations = [
      {
        expression = all (signed "signature");
        message = "an image has no signature by a key of nix/keys";
      }
      {
        expression = all (signed "provenance");
        message = "an image has no signed provenance";
      }
      {
        # The texts are valid in CEL as they are in JSON: see cluster.nix of the mistakes.
        expression = all (
          "${predicate}.runDetails.builder.id == ${toJSON builder}"
          + " && ${predicate}.buildDefinition.externalParameters.repository == ${toJSON repository}"
        );
        message = "an image's provenance names another builder or repository";
      }
      {
        expression = all (signed "sbom");
        message = "an image has no signed bill of materials";
      }
    ];
  };
}
