output "audience" {
  description = "The service's OIDC_AUDIENCE."
  value       = auth0_resource_server.assistance.identifier
}

output "bot_client_id" {
  description = "The bot's client id; its secret is the one that was put in."
  value       = auth0_client.bot.client_id
}

output "scopes" {
  description = "Every scope of the API."
  value       = sort(keys(local.scopes))
}

output "roles" {
  description = "Ids of the people's roles, by name."
  value       = { for name, role in auth0_role.people : name => role.id }
}
