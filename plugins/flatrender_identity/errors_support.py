"""Refusals of acting in a customer's account as support. Codes are part of the API."""

from flatrender.errors import Conflict, Forbidden


class NotACustomer(Forbidden):
    """The account belongs to staff: nobody acts in it but its owner."""

    code = "not_a_customer"
    title_fa = "در حساب کارکنان کسی جز خودشان کار نمی‌کند"
    title_en = "Nobody acts in an account of staff but its owner"


class AccountNotActive(Conflict):
    """The account is banned or closed: there is nothing to act in."""

    code = "account_not_active"
    title_fa = "این حساب فعال نیست"
    title_en = "This account is not active"
