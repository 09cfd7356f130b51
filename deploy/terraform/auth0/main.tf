resource "auth0_resource_server" "assistance" {
  identifier     = var.audience
  name           = var.api_name
  signing_alg    = "RS256"
  token_lifetime = var.token_lifetime

  # RBAC, and tokens after RFC 9068 that carry the permissions of people.
  enforce_policies = true
  token_dialect    = "rfc9068_profile_authz"

  allow_offline_access                            = false
  skip_consent_for_verifiable_first_party_clients = true

  subject_type_authorization {
    user {
      policy = "allow_all"
    }
    client {
      policy = "require_client_grant"
    }
  }
}

resource "auth0_resource_server_scopes" "assistance" {
  resource_server_identifier = auth0_resource_server.assistance.identifier

  dynamic "scopes" {
    for_each = local.scopes
    content {
      name        = scopes.key
      description = scopes.value
    }
  }
}

resource "auth0_client" "bot" {
  name            = var.bot_name
  description     = "Asks for people by client credentials"
  app_type        = "non_interactive"
  grant_types     = ["client_credentials"]
  oidc_conformant = true
  is_first_party  = true

  jwt_configuration {
    alg = "RS256"
  }
}

resource "auth0_client_credentials" "bot" {
  client_id                = auth0_client.bot.id
  authentication_method    = "client_secret_post"
  client_secret_wo         = var.bot_client_secret
  client_secret_wo_version = var.bot_client_secret_version
}

resource "auth0_client_grant" "bot" {
  client_id    = auth0_client.bot.id
  audience     = auth0_resource_server.assistance.identifier
  scopes       = concat(local.bot_scopes, ["ping"])
  subject_type = "client"

  depends_on = [auth0_resource_server_scopes.assistance]
}

resource "auth0_role" "people" {
  for_each = local.roles

  name        = each.key
  description = each.value.description
}

resource "auth0_role_permissions" "people" {
  for_each = local.roles

  role_id = auth0_role.people[each.key].id

  permissions {
    name                       = each.value.scope
    resource_server_identifier = auth0_resource_server.assistance.identifier
  }

  depends_on = [auth0_resource_server_scopes.assistance]
}
