"""A representation as one page of HTML that opens in any browser, offline."""
