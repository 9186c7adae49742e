"""Options: where they come from, what is refused, and that the file gives back what was written."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from cumulet import services
from cumulet.config import ConfigError, Ports, Settings, documentation, standard_ports
from cumulet.introduction import ClashError
from cumulet.services.identity import Options as IdentityOptions


def test_standard_ports_are_the_guides(tmp_path: Path) -> None:
    ports = Settings.resolve(tmp_path, {}, {}).ports
    found = {name: ports.of(name) for name in standard_ports()}
    assert found == {
        "identity": 5000,
        "identity_admin": 35357,
        "image": 9292,
        "compute": 8774,
        "placement": 8778,
        "network": 9696,
        "metadata": 8775,
        "console": 6080,
        "link": 7780,
    }


def test_a_port_base_gives_nine_ports_in_a_row() -> None:
    ports = Ports(20000)
    assert [ports.of(service) for service in standard_ports()] == list(range(20000, 20009))
    assert (ports.of("identity"), ports.of("link")) == (20000, 20008)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    Settings.resolve(tmp_path, {"region": "file", "listen": "127.0.0.2", "log_max_mb": 3}, {}).save()
    environ = {"CUMULET_REGION": "env", "CUMULET_LISTEN": "127.0.0.3", "CUMULET_ENV": "/not/an/option"}
    found = Settings.resolve(tmp_path, {"region": "flag", "listen": None}, environ)
    assert (found.region, found.listen, found.log_max_mb) == ("flag", "127.0.0.3", 3)
    assert Settings.load(tmp_path).region == "file"


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    flags = {
        "listen": "::",
        "port_base": 30000,
        "simulated": 7,
        "region": 'a "b" \\ é\n',
        "dns_servers": ("10.0.0.1", "10.0.0.2"),
        "provider_interface": None,
    }
    settings = Settings.resolve(tmp_path, flags, {})
    settings.save()
    assert Settings.load(tmp_path) == settings
    assert settings.file.stat().st_mode & 0o777 == 0o644


def test_the_file_explains_every_option(tmp_path: Path) -> None:
    settings = Settings.resolve(tmp_path, {}, {})
    text = settings.to_toml()
    assert all(doc and f"# {doc}\n" in text for name, doc in documentation().items() if name != "state")
    assert not any("secret" in name or name.endswith("password") for name in tomllib.loads(text))
    assert "\nchange_password_upon_first_use = false\n" in text


@pytest.mark.parametrize(("text", "value"), [("true", True), ("Yes", True), ("1", True), ("0", False), ("no", False)])
def test_a_switch_is_set_by_the_environment(tmp_path: Path, text: str, value: bool) -> None:
    settings = Settings.resolve(tmp_path, {}, {"CUMULET_CHANGE_PASSWORD_UPON_FIRST_USE": text})
    assert settings.own(IdentityOptions).change_password_upon_first_use is value
    settings.save()
    assert Settings.load(tmp_path).own(IdentityOptions).change_password_upon_first_use is value
    with pytest.raises(ConfigError, match="true or false"):
        Settings.resolve(tmp_path, {}, {"CUMULET_CHANGE_PASSWORD_UPON_FIRST_USE": "perhaps"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lisen = 'x'", "did you mean listen"),
        ("listen = 5", "wrong type"),
        ("audit_days = true", "wrong type"),
        ("dns_servers = ['a', 3]", "wrong type"),
        ("state = '/x'", "no option state"),
        ("listen = ", "cumulet.toml"),
        ("workers = 2", "no option workers"),
        (" \n", "is empty"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "cumulet.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        Settings.load(tmp_path)


def test_an_option_that_did_nothing_may_stay_in_a_file(tmp_path: Path) -> None:
    """Every cloud of before 0.3 has written it down."""
    (tmp_path / "cumulet.toml").write_text("workers = 1\naudit_days = 3\n")
    assert Settings.load(tmp_path).audit_days == 3
    assert "workers" not in Settings.load(tmp_path).to_toml()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen", "localhost"),
        ("port_base", 80),
        ("port_base", 65530),
        ("simulated", 0),
        ("provider_cidr", "172.24.4.1/24"),
        ("provider_cidr", "fd00::/64"),
        ("provider_cidr", "172.24.4.0/30"),
        ("virt_type", "xen"),
        ("limit_model", "loose"),
        ("dns_servers", ("dns",)),
        ("token_seconds", 1),
        ("create_seconds", 0),
        ("log_level", "LOUD"),
    ],
)
def test_a_value_that_cannot_work_is_refused(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        Settings.resolve(tmp_path, {name: value}, {})


def test_no_cloud_is_not_an_empty_cloud(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no cloud"):
        Settings.load(tmp_path)


def test_urls_of_a_wide_open_cloud_name_an_address(tmp_path: Path) -> None:
    settings = Settings.resolve(tmp_path, {"listen": "0.0.0.0"}, {})
    assert "0.0.0.0" not in settings.url("compute")
    assert settings.local_url("compute") == "https://127.0.0.1:8774"
    named = Settings.resolve(tmp_path, {"listen": "0.0.0.0", "public_host": "cloud.test"}, {})
    assert named.url("identity") == "https://cloud.test:5000"
    six = Settings.resolve(tmp_path, {"listen": "fd00::5"}, {})
    assert six.url("image") == "https://[fd00::5]:9292"


def test_a_secret_must_exist_and_be_known(tmp_path: Path) -> None:
    settings = Settings.resolve(tmp_path, {}, {})
    with pytest.raises(ConfigError, match="no secret named"):
        settings.secret("../cumulet.toml")
    with pytest.raises(ConfigError, match="cannot read"):
        settings.secret("operator_secret")


def test_a_secret_is_never_read_through_a_link(tmp_path: Path) -> None:
    """Root reads there what the controller's user may replace, and hands it to the controller (finding S19's class)."""
    settings = Settings.resolve(tmp_path, {}, {})
    settings.secrets_dir.mkdir()
    (tmp_path / "shadow").write_text("root's own")
    (settings.secrets_dir / "operator_secret").symlink_to(tmp_path / "shadow")
    (settings.secrets_dir / "metadata_secret").mkdir()
    os.mkfifo(settings.secrets_dir / "admin_password")
    (settings.secrets_dir / "demo_password").write_bytes(b"\xff\xfe")
    for name in ("operator_secret", "metadata_secret", "admin_password", "demo_password"):
        with pytest.raises(ConfigError, match=f"cannot read the secret {name}"):
            settings.secret(name)
    (settings.secrets_dir / "service_password").write_text("fine\n")
    assert settings.secret("service_password") == "fine"
    settings.secrets_dir.rename(tmp_path / "moved")
    settings.secrets_dir.symlink_to(tmp_path / "moved")
    with pytest.raises(ConfigError, match="cannot read the secret"):
        settings.secret("service_password")


def test_where_a_file_ends_too_early_has_a_line(tmp_path: Path) -> None:
    (tmp_path / "cumulet.toml").write_text('region = "R"\nx = [\n')
    with pytest.raises(ConfigError, match="at line 2, its end"):
        Settings.load(tmp_path)


def test_options_of_services_stand_in_their_sections_or_as_before_at_the_top(tmp_path: Path) -> None:
    file = tmp_path / "cumulet.toml"
    file.write_text('region = "here"\ntoken_seconds = 600\nshared = true\n')
    before = Settings.load(tmp_path)
    assert before.own(IdentityOptions).token_seconds == 600
    before.save()
    written = tomllib.loads(file.read_text())
    assert (written["region"], written["identity"]["token_seconds"]) == ("here", 600)
    assert written["image"] == {"shared": True} and "token_seconds" not in written
    assert Settings.load(tmp_path) == before
    changed = Settings.resolve(tmp_path, {"shared": False}, {"CUMULET_TOKEN_SECONDS": "700"})
    assert changed.differs(before) == ["token_seconds", "shared"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[identity]\ntoken_second = 60", r"\[identity\] has no option token_second; did you mean token_seconds"),
        ("[identity]\nregion = 'x'", r"\[identity\] has no option region"),
        ("[compute]\ntoken_seconds = 60", r"\[compute\] has no option token_seconds"),
        ("token_seconds = 60\n[identity]\ntoken_seconds = 70", r"at the top and in \[identity\]"),
        ("[identify]\ntoken_seconds = 60", "no option identify"),
        ("identity = 5", "no option identity"),
        ("[identity]\ntoken_seconds = 'x'", "wrong type"),
        ("[identity]\nlockout_duration = 0", "lockout_duration must be between 1 and"),
        ("[identity]\npassword_regex = '('", "password_regex is no regular expression"),
    ],
)
def test_a_wrong_section_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "cumulet.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        Settings.load(tmp_path)


def test_on_one_port_services_have_paths(tmp_path: Path) -> None:
    settings = Settings.resolve(tmp_path, {"one_port": True, "public_host": "cloud.test"}, {})
    assert settings.url("compute") == "http://cloud.test:5000/compute"
    assert settings.auth_url == "http://cloud.test:5000/identity/v3"
    assert settings.local_url("link") == "http://127.0.0.1:7780"
    assert settings.ports.listeners() == {"identity": 5000, "metadata": 8775, "link": 7780}
    behind = Settings.resolve(tmp_path, {"one_port": True, "public_url": ("https://cloud.test",)}, {})
    assert behind.url("network") == "https://cloud.test/networking"


def test_two_services_do_not_have_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "SERVICES", (*services.SERVICES, "cumulet.services.compute.console"))
    with pytest.raises(ClashError, match="the same name: console"):
        standard_ports()
