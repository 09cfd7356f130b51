"""A routing file that says everything, and what it needs around it."""

GOOD = """\
channels:
  sales-slack:
    type: slack
    token: env:SLACK_TOKEN
    channel: C088LDVP40K
    pace: 2/s
    retry_for: 1h
  pricing-mail:
    type: email
    smtp: env:SMTP_URL
    from: Assistance <assistance@example.com>
    to: [pricing@example.com]
  lines:
    type: log
topics:
  Sales:
    title: Sales desk
    description: Quotes, contracts and upgrades
    hours: Mon-Fri 09:00-18:00 Europe/Madrid
    expected_response: 15m
    expires_in: 2d
    steps:
      - notify: [sales-slack, lines]
      - notify: [pricing-mail]
        after: 60s
        if: undelivered
      - notify: [sales-slack]
        after: 10m
        if: unclaimed
        when: open
  pricing:
    steps:
      - notify: [pricing-mail]
callbacks:
  shop-bot:
    url: https://bot.example/hooks/assistance
    secrets: [env:SHOP_BOT_SECRET]
    events: [claimed, expired]
    clients: [bot-1@clients]
    allow: [127.0.0.0/8]
tests:
  - topic: SALES
    at: 2026-11-23T10:00+01:00
    priority: urgent
    expect: [lines, sales-slack]
    then: [sales-slack, pricing-mail]
  - topic: sales
    expect: [sales-slack, lines]
  - topic: pricing
    expect: [pricing-mail]
    then: []
"""

ENVIRON = {
    "SLACK_TOKEN": "xoxb-canary-of-slack",
    "SMTP_URL": "smtp://user:canary-of-mail@mail.example:587",
    "SHOP_BOT_SECRET": "whsec_Y2FuYXJ5LW9mLWNhbGxiYWNrLTEyMzQ1",
}

# Monday 2026-11-23, 10:00 in Madrid.
MONDAY_TEN = 1_795_424_400.0
HOUR, DAY = 3600.0, 86_400.0
