locals {
  topic_scopes = {
    for topic in var.topics : "request-assistance:${topic}" => "Ask for a person on ${topic}"
  }

  scopes = merge(local.topic_scopes, {
    "request-assistance" = "Ask for a person on any topic, and follow one's own requests"
    "read-assistance"    = "Read all requests"
    "work-assistance"    = "Claim, answer and resolve requests; includes reading"
    "manage-assistance"  = "Operate the service: deliveries, reload, erasure; includes reading"
    "ping"               = "Call the scoped heartbeat"
  })

  bot_scopes = length(var.bot_topics) == 0 ? ["request-assistance"] : [
    for topic in sort(tolist(var.bot_topics)) : "request-assistance:${topic}"
  ]

  roles = {
    "Assistance reader"   = { description = "Reads requests", scope = "read-assistance" }
    "Assistance desk"     = { description = "Takes and answers requests", scope = "work-assistance" }
    "Assistance operator" = { description = "Operates the service", scope = "manage-assistance" }
  }
}
