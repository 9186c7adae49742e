"""Of Placement."""

from __future__ import annotations

_ONE = "/resource_providers/{provider}"

PLACEMENT = {
    "GET / response": "root/get-root",
    "GET /resource_providers response": "resource_providers/get-resource_providers@1.14",
    "POST /resource_providers request": "resource_providers/create-resource_providers-request@1.14",
    f"GET {_ONE} response": "resource_providers/get-resource_provider@1.14",
    f"PUT {_ONE} request": "resource_providers/update-resource_provider-request@1.14",
    f"PUT {_ONE} response": "resource_providers/update-resource_provider@1.14",
    f"GET {_ONE}/aggregates response": "aggregates/get-aggregates",
    f"PUT {_ONE}/aggregates request": "aggregates/update-aggregates-request-1.19",
    f"PUT {_ONE}/aggregates response": "aggregates/update-aggregates-1.19",
    f"PUT {_ONE}/aggregates up to 1.18 request": "aggregates/update-aggregates-request",
    f"PUT {_ONE}/aggregates up to 1.18 response": "aggregates/update-aggregates",
    "GET /allocation_candidates response": "allocation_candidates/get-allocation_candidates@1.10",
    "GET /allocations/{consumer} response": "allocations/get-allocations@1.12",
    "POST /allocations request": "allocations/manage-allocations-request",
    "PUT /allocations/{consumer} request": "allocations/update-allocations-request",
    f"GET {_ONE}/allocations response": "resource_provider_allocations/get-resource_provider_allocations",
    f"GET {_ONE}/inventories response": "inventories/get-inventories",
    f"PUT {_ONE}/inventories request": "inventories/update-inventories-request",
    f"PUT {_ONE}/inventories response": "inventories/update-inventories",
    f"GET {_ONE}/inventories/{{name}} response": "inventories/get-inventory",
    f"PUT {_ONE}/inventories/{{name}} request": "inventories/update-inventory-request",
    f"PUT {_ONE}/inventories/{{name}} response": "inventories/update-inventory",
    "POST /reshaper request": "reshaper/post-reshaper",
    "GET /resource_classes response": "resource_classes/get-resource_classes",
    "POST /resource_classes request": "resource_classes/create-resource_classes-request",
    "GET /resource_classes/{name} response": "resource_classes/get-resource_class",
    "GET /traits response": "traits/get-traits",
    f"GET {_ONE}/traits response": "resource_provider_traits/get-resource_provider-traits",
    f"PUT {_ONE}/traits request": "resource_provider_traits/update-resource_provider-traits-request",
    f"PUT {_ONE}/traits response": "resource_provider_traits/update-resource_provider-traits",
    f"GET {_ONE}/usages response": "resource_provider_usages/get-resource_provider_usages",
    "GET /usages response": "usages/get-usages",
}
