//! The fields of the lines of bills.

use serde::Deserialize;

use super::shapes::shapes;
use super::value::{Amount, Loose, Members, Scalar, Text};

shapes! {
    AzureCost {
        date = "Date": Scalar<'a>, subscription = "SubscriptionId": Text<'a>,
        group = "ResourceGroup": Text<'a>, location = "ResourceLocation": Text<'a>,
        resource = "ResourceId": Text<'a>, category = "MeterCategory": Text<'a>,
        subcategory = "MeterSubCategory": Text<'a>, meter = "MeterName": Text<'a>,
        meter_id = "MeterId": Text<'a>, product = "ProductName": Text<'a>, unit = "UnitOfMeasure": Text<'a>,
        quantity = "Quantity": Amount, cost = "CostInBillingCurrency": Amount, dollars = "CostInUsd": Amount,
        currency = "BillingCurrencyCode": Text<'a>, charge = "ChargeType": Text<'a>,
        pricing = "PricingModel": Text<'a>, center = "CostCenter": Text<'a>,
        account = "BillingAccountId": Text<'a>, info = "AdditionalInfo": Text<'a>,
        tags = "Tags": Loose<Members<'a>>,
    }
    Cur {
        records: Vec<Cur<'a>>, id = "identity_line_item_id": Text<'a>,
        payer = "bill_payer_account_id": Text<'a>, bill = "bill_bill_type": Text<'a>,
        invoice = "bill_invoice_id": Text<'a>, account = "line_item_usage_account_id": Text<'a>,
        kind = "line_item_line_item_type": Text<'a>, start = "line_item_usage_start_date": Scalar<'a>,
        end = "line_item_usage_end_date": Scalar<'a>, code = "line_item_product_code": Text<'a>,
        usage = "line_item_usage_type": Text<'a>, operation = "line_item_operation": Text<'a>,
        resource = "line_item_resource_id": Text<'a>, amount = "line_item_usage_amount": Amount,
        unit = "pricing_unit": Text<'a>, cost = "line_item_unblended_cost": Amount,
        currency = "line_item_currency_code": Text<'a>,
        description = "line_item_line_item_description": Text<'a>,
        principal = "line_item_iam_principal": Text<'a>, user = "line_item_user_identifier": Text<'a>,
        region = "product_region_code": Text<'a>, tags = "resource_tags": Loose<Members<'a>>,
        product: Loose<CurProduct<'a>>, rate = "pricing_rate_code": Text<'a>,
    }
    CurProduct { name = "servicecode" | "product_name" | "servicename": Text<'a>, model: Text<'a>, }
    Focus {
        start = "ChargePeriodStart" | "chargeperiodstart": Scalar<'a>,
        end = "ChargePeriodEnd" | "chargeperiodend": Scalar<'a>, vendor = "ServiceProviderName": Text<'a>,
        provider = "ProviderName" | "providername": Text<'a>, host = "HostProviderName": Text<'a>,
        publisher = "PublisherName" | "publishername": Text<'a>,
        service = "ServiceName" | "servicename": Text<'a>,
        description = "ChargeDescription" | "chargedescription": Text<'a>,
        resource = "ResourceId" | "resourceid": Text<'a>,
        resource_name = "ResourceName" | "resourcename": Text<'a>,
        resource_type = "ResourceType" | "resourcetype": Text<'a>,
        account_type = "BillingAccountType": Text<'a>,
        account = "BillingAccountId" | "billingaccountid": Text<'a>,
        sub_account = "SubAccountId" | "subaccountid": Text<'a>, region = "RegionId" | "regionid": Text<'a>,
        effective = "EffectiveCost" | "effectivecost": Amount, billed = "BilledCost" | "billedcost": Amount,
        dollars = "x_EffectiveCostInUsd": Amount, currency = "BillingCurrency" | "billingcurrency": Text<'a>,
        category = "ChargeCategory" | "chargecategory": Text<'a>,
        class = "ChargeClass" | "chargeclass": Text<'a>,
        frequency = "ChargeFrequency" | "chargefrequency": Text<'a>,
        consumed = "ConsumedQuantity" | "consumedquantity": Amount,
        consumed_unit = "ConsumedUnit" | "consumedunit": Text<'a>,
        priced = "PricingQuantity" | "pricingquantity": Amount,
        priced_unit = "PricingUnit" | "pricingunit": Text<'a>, sku = "SkuId" | "skuid": Text<'a>,
        tags = "Tags" | "tags": Loose<Members<'a>>,
    }
    GcpBilling {
        billing_account_id: Text<'a>, service: Described<'a>, sku: Described<'a>,
        usage_start_time: Scalar<'a>, usage_end_time: Scalar<'a>, project: BillingProject<'a>,
        labels: Loose<Label<'a>>, system_labels: Loose<Label<'a>>, location: BillingLocation<'a>,
        export_time: Text<'a>, cost: Amount, currency: Text<'a>, currency_conversion_rate: Amount,
        usage: BillingUsage<'a>, credits: Vec<BillingCredit<'a>>, invoice: BillingInvoice<'a>,
        cost_type: Text<'a>, adjustment_info: BillingProject<'a>, resource: BillingResource<'a>,
    }
    Described { id: Text<'a>, description: Text<'a>, }
    BillingProject { id: Text<'a>, number: Text<'a>, }
    Label { key: Text<'a>, value: Text<'a>, }
    BillingLocation { region: Text<'a>, zone: Text<'a>, }
    BillingUsage {
        amount: Amount, unit: Text<'a>, priced = "amount_in_pricing_units": Amount,
        priced_unit = "pricing_unit": Text<'a>,
    }
    BillingCredit {
        id: Text<'a>, kind = "type": Text<'a>, name: Text<'a>, full_name: Text<'a>, amount: Amount,
    }
    BillingInvoice { month: Text<'a>, }
    BillingResource { name: Text<'a>, global_name: Text<'a>, }
}
