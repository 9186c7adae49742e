"""Operations on networks."""

from __future__ import annotations

from cumulet.services.network.crud import crud
from cumulet.services.network.model import networks as model
from cumulet.services.network.service import network as service

NOUN = model.NOUN

crud(service, NOUN, model)
