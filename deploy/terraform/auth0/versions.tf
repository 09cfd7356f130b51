terraform {
  # Write-only arguments: the bot's secret never reaches the state.
  required_version = ">= 1.11"

  required_providers {
    auth0 = {
      source  = "auth0/auth0"
      version = "~> 1.55"
    }
  }
}

# Domain and credentials come from AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET.
provider "auth0" {}
