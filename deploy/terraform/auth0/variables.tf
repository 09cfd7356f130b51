variable "audience" {
  description = "Identifier of the API: the service's OIDC_AUDIENCE. Cannot be changed once set."
  type        = string

  validation {
    condition     = startswith(var.audience, "https://")
    error_message = "Use an https address that is yours; nothing is ever fetched from it."
  }
}

variable "api_name" {
  description = "Name of the API in the dashboard."
  type        = string
  default     = "Assistance API"
}

variable "topics" {
  description = "Topics of the routing file for which a narrower scope request-assistance:TOPIC is wanted."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for topic in var.topics : can(regex("^[a-z0-9][a-z0-9_-]*$", topic))])
    error_message = "Topics are written in lower case letters, digits, - and _."
  }
}

variable "token_lifetime" {
  description = "Seconds for which an access token is good."
  type        = number
  default     = 3600

  validation {
    condition     = var.token_lifetime >= 60 && var.token_lifetime <= 86400
    error_message = "Between a minute and a day."
  }
}

variable "bot_name" {
  description = "Name of the bot's application in the dashboard."
  type        = string
  default     = "Assistance bot"
}

variable "bot_topics" {
  description = "Topics that the bot may ask for, each one of `topics`; empty for all, present and future."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.bot_topics, var.topics)) == 0
    error_message = "Every topic of the bot has to be one of `topics`."
  }
}

variable "bot_client_secret" {
  description = "The bot's secret, 48 characters at least. Ephemeral: written to Auth0, kept neither in plan nor in state."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.bot_client_secret) >= 48
    error_message = "Take 48 characters at least, for example from: openssl rand -base64 48"
  }
}

variable "bot_client_secret_version" {
  description = "Raise it by one to have a new bot_client_secret written."
  type        = number
  default     = 1
}
