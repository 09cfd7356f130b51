"use strict";

SwaggerUIBundle({
  dom_id: "#api",
  url: "/openapi.json",
  deepLinking: true,
  validatorUrl: null, // else off loopback it sends this address to a service of Swagger's
});
