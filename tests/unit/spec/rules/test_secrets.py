"""Secrets in plain text: found by mark, name and form, refused only when asked for, and never shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from mlctl.spec.problems import Problem, render_problem, validation_result
from mlctl.spec.rules.secret_patterns import is_dummy, is_stand_in, masked, names_secret, secrets_in

Told = Callable[..., list[Problem]]

JOB = "command: echo\nenvironment: azureml:e:1\n"

# put together here, so that no scanner takes this file for a leak
LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7" * 4
STORAGE = LETTERS[:86] + "=="
SECRETS = {
    "a storage account key": STORAGE,
    "the key of a connection string": f"AccountName=a;AccountKey={LETTERS[:40]};EndpointSuffix=x",
    "the password of a connection string": f"Server=tcp:a,1433;Database=b;User ID=c;{'Password'}=hunter22;Encrypt=True",
    "a secret on the command line": "python login.py --password " + "hunter2222",
    "a shared access signature": f"https://a.blob.core.windows.net/c?sv=2022-11-02&se=2030&sp=r&sig={LETTERS[:43]}%3D",
    "a GitHub token": "gh" + "p_" + LETTERS[:36],
    "a GitLab token": "glpat" + "-" + LETTERS[:20],
    "an AWS access key": "AK" + "IA" + "Q3EGRZ7WPM2NTV5K",
    "an Azure DevOps token": "abcdefg2345" * 4 + "abcdefg2",
    "a client secret": "abc8" + "Q~" + LETTERS[:34],
    "an Anthropic key": "sk" + "-ant-" + LETTERS[:30],
    "an OpenAI key": "sk" + "-proj-" + LETTERS[:40],
    "a Hugging Face token": "h" + "f_" + LETTERS[:34],
    "a Slack token": "xo" + "xb-" + "123456789012-" + LETTERS[:20],
    "a Slack webhook": "https://hooks.slack.com/services/" + "T00000000/B00000000/" + LETTERS[:24],
    "a Google API key": "AI" + "za" + LETTERS[:35],
    "a Databricks token": "dap" + "i" + "0123456789abcdef" * 2,
    "a PyPI token": "pypi" + "-AgE" + LETTERS[:60],
    "a JSON web token": f"ey{'J'}{LETTERS[:20]}.ey{'J'}{LETTERS[:30]}.{LETTERS[:20]}",
    "a password in an address": "postgres://user:" + "hunter2!x@db.example.com:5432/x",
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE",
}


def refused(problems: list[Problem]) -> list[tuple[str, str, int]]:
    return [(found.severity, found.path, found.line) for found in problems if found.code == "plain_secret"]


def shown(problems: list[Problem]) -> str:
    """Everything that anybody gets to see of the problems."""
    return "\n".join(map(render_problem, problems)) + json.dumps(validation_result(problems)) + repr(problems)


@pytest.mark.parametrize("what", SECRETS)
def test_forms_of_secrets(what: str) -> None:
    assert [found.what for found in secrets_in(SECRETS[what])] == [what]
    assert [found.what for found in secrets_in(f"run with {SECRETS[what]} and more")] == [what]


@pytest.mark.parametrize(
    "text",
    [
        "pip install sk-learn-model-with-a-really-long-name-in-it",
        "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        "https://${USER}:${PASSWORD}@example.com/x.git",
        "https://user:$(PAT)@dev.azure.com/x",
        "https://<user>:<password>@example.com",
        "AccountName=a;AccountKey=<your-key>;EndpointSuffix=x",
        "AccountKey=${{secrets.KEY}}",
        "AccountKey=XXXXXXXXXXXXXXXXXXXXXXXX",
        "?sv=XXXX&sig=XXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "python train.py --token ${{inputs.token}} --password $PASSWORD",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 someone@example.com",
        "python train.py --token_type bearer --max-tokens 512",
    ],
)
def test_texts_without_secrets(text: str) -> None:
    assert list(secrets_in(text)) == []


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD", "DB_PASSWORD", "db-password", "api_key", "OPENAI_API_KEY", "apiKey", "HF_TOKEN", "token",
        "client_secret", "AZURE_STORAGE_CONNECTION_STRING", "connectionString", "AWS_SECRET_ACCESS_KEY", "DB_PWD",
        "AZDO_PAT", "account_key", "passwords", "secret1",
    ],
)  # fmt: skip
def test_names_that_say_secret(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens", "pad_token", "eos_token", "tokenizer", "token_count", "secret_name", "password_file",
        "key_vault", "key", "PWD", "path", "keys", "partition_key", "auth_mode", "api_key_name", "compat",
        "OPENAI_API_TYPE", "ssh_key_value",
    ],
)  # fmt: skip
def test_names_that_do_not(name: str) -> None:
    assert not names_secret(name)


@pytest.mark.parametrize(
    "value",
    [
        "", "<key>", "<your key>", "${KEY}", "$KEY", "$(KEY)", "${{inputs.key}}", "{{key}}", "%KEY%", "XXXXXXXX",
        "****", "....", "azureml:secret:1", "keyvault:x", "https://v.vault.azure.net/secrets/x", "None", "[MASK]",
        "Bearer ${TOKEN}", "</s>",
    ],
)  # fmt: skip
def test_stand_ins(value: str) -> None:
    assert is_stand_in(value)


@pytest.mark.parametrize("value", ["hunter22", "p4$$w0rd", "correct horse", "XxYyZzAaBbCc", "changeme"])
def test_values_that_stand_for_themselves(value: str) -> None:
    assert not is_stand_in(value)


def test_a_word_in_a_long_key_does_not_make_it_a_dummy() -> None:
    assert is_dummy("changeme")
    assert is_dummy("EXAMPLE_API_KEY")
    assert not is_dummy(LETTERS[:40] + "todo")


@pytest.mark.parametrize(("secret", "start"), [("a" * 40, "aaaa…"), ("hunter22", "hu…"), ("abc", "…"), ("", "…")])
def test_little_of_a_secret_is_shown(secret: str, start: str) -> None:
    assert masked(secret) == start


def test_nothing_is_told_unless_asked(told: Told) -> None:
    text = f"{JOB}environment_variables:\n  DB_PASSWORD: hunter22\n"
    assert told("commandJob", text) == []
    assert refused(told("commandJob", text, secrets=True)) == [("error", "environment_variables.DB_PASSWORD", 4)]


@pytest.mark.parametrize("what", [what for what in SECRETS if what != "a private key"])
def test_no_secret_is_shown(told: Told, what: str) -> None:
    written = SECRETS[what]
    problems = told("commandJob", f"{JOB}tags:\n  note: '{written}'\n  other: 1\n", secrets=True)
    assert refused(problems) == [("error", "tags.note", 4)]
    (found,) = list(secrets_in(written))
    assert written[found.start : found.end] not in shown(problems)
    assert "note: '" in str(problems[0].excerpt)


def test_a_private_key_in_a_block(told: Told) -> None:
    head = "-----BEGIN " + "PRIVATE KEY-----"
    text = f"{JOB}environment_variables:\n  PEM: |\n    {head}\n    MIIE\n"
    assert refused(told("commandJob", text, secrets=True)) == [("error", "environment_variables.PEM", 5)]


def test_the_line_of_a_secret_in_a_long_command(told: Told) -> None:
    token = SECRETS["a GitHub token"]
    text = f"command: >-\n  git clone\n  https://{token}@github.com/x\n  && ls\nenvironment: azureml:e:1\n"
    problems = told("commandJob", text, secrets=True)
    assert [(found.line, found.column) for found in problems] == [(3, 11)]
    assert token not in shown(problems)


def test_marks_of_the_schema(told: Told) -> None:
    text = "name: c1\ntype: git\ntarget: https://example.com\ncredentials:\n  type: pat\n  pat: abc\n"
    assert refused(told("genericConnection", text, secrets=True)) == []
    problems = told("genericConnection", text.replace("abc", "a1b2c3d4"), secrets=True)
    assert refused(problems) == [("error", "credentials.pat", 6)]
    assert "a1b2c3d4" not in shown(problems)


def test_inputs_by_their_name(told: Told) -> None:
    token = "  token:\n    type: string\n    value: hunter22\n"
    text = f"{JOB}inputs:\n  api_key: hunter22\n{token}  secret:\n    path: azureml:x:1\n"
    problems = told("commandJob", text, secrets=True)
    assert refused(problems) == [("error", "inputs.api_key", 4), ("error", "inputs.token.value", 7)]


def test_defaults_of_a_component(told: Told) -> None:
    text = (
        "name: a\ncommand: echo ${{inputs.api_key}}\nenvironment: azureml:e:1\ninputs:\n"
        "  api_key:\n    type: string\n    description: the secret of all secrets\n    default: hunter22\n"
    )
    assert refused(told("commandComponent", text, secrets=True)) == [("error", "inputs.api_key.default", 8)]


def test_variables_in_a_list(told: Told) -> None:
    head = f"{JOB}environment_variables:\n  - LEVEL=debug\n"
    text = f"{head}  - DB_PASSWORD=hunter22\n  - name: HF_TOKEN\n    value: hunter23\n"
    problems = told("commandJob", text, secrets=True)
    assert [line for _, _, line in refused(problems)] == [5, 7]
    assert "hunter2" not in shown(problems)


def test_a_stand_in_word_is_a_warning(told: Told) -> None:
    text = f"{JOB}environment_variables:\n  DB_PASSWORD: changeme\n"
    assert refused(told("commandJob", text, secrets=True)) == [("warning", "environment_variables.DB_PASSWORD", 4)]


def test_problems_of_other_rules_do_not_show_it_either(told: Told) -> None:
    token = SECRETS["an OpenAI key"]
    text = "name: c1\ntype: open_ai\napi_kee: " + token + "\n"
    problems = told("openAIConnection", text, secrets=True)
    assert "unknown_key" in [found.code for found in problems]
    assert refused(problems) == [("error", "api_kee", 3)]
    assert token not in shown(problems)


def test_a_secret_written_with_escapes_is_not_shown(told: Told) -> None:
    text = f'{JOB}environment_variables:\n  DB_PASSWORD: "hunter\\x3222-abc"\n'
    problems = told("commandJob", text, secrets=True)
    assert refused(problems) == [("error", "environment_variables.DB_PASSWORD", 4)]
    assert problems[0].excerpt is None


def test_a_long_text_costs_little() -> None:
    hostile = [
        "eyJ-" * 250_000,
        "sk-" * 300_000,
        "a://b:" * 150_000,
        "A" * 1_000_000,
        "-----BEGIN A " * 70_000,
        "gh" * 500_000,
    ]
    started = time.process_time()
    for text in hostile:
        list(secrets_in(text))
    assert time.process_time() - started < 20
