"""The functions that propose organizations for company names. Each function comes after the functions that it needs."""

from orchestrator.install.steps import function

__depends__ = {"0009_company_names"}

function("plain_name", "v1")
function("without_legal_form", "v1")
function("is_junk_name", "v1")
function("name_keys", "v1")
function("typing_forms", "v1")
function("refresh_organization_names", "v1")
function("add_company_names", "v1")
function("refresh_company_names", "v1")
function("similar_organizations", "v1")
function("propose_names", "v1")
function("propose_new_names", "v1")
function("undo_name_decisions", "v1")
