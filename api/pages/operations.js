"use strict";
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#operations",
  deepLinking: true,
  validatorUrl: null, // else a picture from elsewhere would say whether the document is sound
});
