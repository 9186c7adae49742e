"""Identity: users, projects, roles, tokens and the catalog, as Keystone's v3 API tells of them."""

from typing import Annotated, NamedTuple

from cumulet.introduction import Between, Expression, Introduction, OneOf


class Options(NamedTuple):
    """Those of Keystone's ``[security_compliance]`` have its names."""

    token_seconds: Annotated[int, "how long a token is valid", Between(60, 86_400 * 30, simulated=1)] = 3600
    lockout_failure_attempts: Annotated[
        int, "wrong passwords in a row that lock a user out (0: never)", Between(0, 10_000)
    ] = 0
    lockout_duration: Annotated[int, "seconds that a user is locked out", Between(1, 86_400 * 365)] = 1800
    password_expires_days: Annotated[
        int, "days after which a password has to be changed (0: never)", Between(0, 10_000)
    ] = 0
    unique_last_password_count: Annotated[
        int, "a user's new password differs from that many of the last", Between(0, 24)
    ] = 0
    minimum_password_age: Annotated[int, "days before users may change their passwords again", Between(0, 10_000)] = 0
    password_regex: Annotated[str, "what passwords have to match (empty: anything)", Expression()] = ""
    password_regex_description: Annotated[str, "the same in words, for who chose a bad one"] = ""
    change_password_upon_first_use: Annotated[bool, "a password that somebody else set is to be changed first"] = False
    disable_user_account_days_inactive: Annotated[
        int, "days without a login that disable a user (0: never)", Between(0, 10_000)
    ] = 0
    limit_model: Annotated[
        str, "flat, or strict_two_level: no project's limit exceeds its domain's", OneOf(("flat", "strict_two_level"))
    ] = "flat"


INTRODUCTION = Introduction(
    "identity",
    5000,
    project="keystone",
    version_path="/v3",
    more_ports={"identity_admin": 35357},
    prefix="/identity",
    probe="/v3",
    gives_tokens=True,
    options=Options,
)
