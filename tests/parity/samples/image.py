"""Of Glance."""

from __future__ import annotations

_SPACE = "/v2/metadefs/namespaces/{namespace}"
_MEMBERS = "/v2/images/{image_id}/members"

IMAGE = {
    "GET /v2/images response": "images-list-response",
    "POST /v2/images request": "image-create-request",
    "POST /v2/images response": "image-create-response",
    "GET /v2/images/{image_id} response": "image-show-response image-details-deactivate-response",
    "PATCH /v2/images/{image_id} response": "image-update-response",
    "POST /v2/images/{image_id}/import request": " ".join(
        f"image-import-{name}-request" for name in ("c-i", "g-d", "gd", "w-d")
    ),
    "GET /v2/info/import response": "image-info-import-response",
    f"GET {_MEMBERS} response": "image-members-list-response",
    f"POST {_MEMBERS} request": "image-member-create-request",
    f"POST {_MEMBERS} response": "image-member-create-response",
    f"GET {_MEMBERS}/{{member_id}} response": "image-member-details-response",
    f"PUT {_MEMBERS}/{{member_id}} request": "image-member-update-request",
    f"PUT {_MEMBERS}/{{member_id}} response": "image-member-update-response",
    "GET /v2/images/{image_id}/tasks response": "image-tasks-show-response",
    "POST /v2/images/{image_id}/locations request": "add-location-request",
    "GET /v2/images/{image_id}/locations response": "locations-list-detail-response",
    "GET /v2/cache response": "cache-list-response",
    "GET /v2/metadefs/namespaces response": "metadef-namespaces-list-response",
    "POST /v2/metadefs/namespaces request": (
        "metadef-namespace-create-request metadef-namespace-create-request-simple"
    ),
    "POST /v2/metadefs/namespaces response": "metadef-namespace-create-response",
    f"GET {_SPACE} response": "metadef-namespace-details-response",
    f"PUT {_SPACE} request": "metadef-namespace-update-request",
    f"PUT {_SPACE} response": "metadef-namespace-update-response",
    f"GET {_SPACE}/objects response": "metadef-objects-list-response",
    f"POST {_SPACE}/objects request": "metadef-object-create-request",
    f"POST {_SPACE}/objects response": "metadef-object-create-response",
    f"GET {_SPACE}/objects/{{name}} response": "metadef-object-details-response",
    f"PUT {_SPACE}/objects/{{name}} request": "metadef-object-update-request",
    f"PUT {_SPACE}/objects/{{name}} response": "metadef-object-update-response",
    f"GET {_SPACE}/properties response": "metadef-properties-list-response",
    f"POST {_SPACE}/properties request": "metadef-property-create-request",
    f"POST {_SPACE}/properties response": "metadef-property-create-response",
    f"GET {_SPACE}/properties/{{name}} response": "metadef-property-details-response",
    f"PUT {_SPACE}/properties/{{name}} request": "metadef-property-update-request",
    f"PUT {_SPACE}/properties/{{name}} response": "metadef-property-update-response",
    "GET /v2/metadefs/resource_types response": "metadef-resource-types-list-response",
    f"GET {_SPACE}/resource_types response": "metadef-resource-type-assoc-list-response",
    f"POST {_SPACE}/resource_types request": "metadef-resource-type-create-request",
    f"POST {_SPACE}/resource_types response": "metadef-resource-type-assoc-create-response",
    f"GET {_SPACE}/tags response": "metadef-tags-list-response",
    f"POST {_SPACE}/tags request": "metadef-tags-create-request",
    f"POST {_SPACE}/tags response": "metadef-tags-create-response",
    f"GET {_SPACE}/tags/{{name}} response": "metadef-tag-details-response",
    f"POST {_SPACE}/tags/{{name}} response": "metadef-tag-create-response",
    f"PUT {_SPACE}/tags/{{name}} request": "metadef-tag-update-request",
    f"PUT {_SPACE}/tags/{{name}} response": "metadef-tag-update-response",
}
